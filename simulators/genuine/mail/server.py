"""A genuine SMTP server that does as it is told.

usage: server.py [CERTIFICATE KEY [starttls]]

Each line read is a command, answered by one line of JSON:

    start | stop        listen on the port of the first start, or stop listening
    mode NAME           from now on: see MODES
    mails               all mails taken so far
    dialogues           how many recipients were named so far, whatever became of them
    logins              the users that have logged in
"""

import asyncio
import email
import email.policy
import json
import socket
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

MODES = {
    "accept",  # takes mails
    "defer",  # answers 451 to a whole mail
    "reject",  # answers 554 to a whole mail
    "no-recipient",  # answers 550 to every recipient
    "later",  # answers 450 to every recipient
    "hang",  # does not answer when a recipient is named
    "drop",  # takes a mail and breaks the connection instead of saying so
}
HANG_SECONDS = 600


class Handler:
    def __init__(self):
        self.mode, self.mails, self.dialogues = "accept", [], 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.dialogues += 1
        if self.mode == "no-recipient":
            return f"550 5.1.1 no such user {address}"
        if self.mode == "later":
            return f"450 4.2.1 {address} is busy"
        if self.mode == "hang":
            await asyncio.sleep(HANG_SECONDS)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.mode == "defer":
            return f"451 4.3.0 not now, {envelope.rcpt_tos[0]}"
        if self.mode == "reject":
            return "554 5.7.1 not this"
        self.mails.append(read(envelope))
        if self.mode == "drop":
            server.transport.abort()
        return "250 OK"


def read(envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    part = lambda kind: message.get_body((kind,)).get_content()
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "headers": {name.lower(): value for name, value in message.items()},
        "text": part("plain"),
        "html": part("html"),
    }


class Logins:
    def __init__(self):
        self.users = []

    def __call__(self, server, session, envelope, mechanism, data):
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"a password: 100%")


def main():
    handler, logins, port, controller = Handler(), Logins(), 0, None
    options = {"authenticator": logins, "auth_require_tls": True}
    if len(sys.argv) > 2:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        options["ssl_context" if len(sys.argv) == 3 else "tls_context"] = context
        options["auth_required"] = True
        # Its own check of TLS does not know that the whole connection may be encrypted.
        options["auth_require_tls"] = len(sys.argv) > 3
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        answer = "ok"
        if command == "start":
            # Port 0 asks for a free one, which it then keeps.
            controller = Controller(handler, hostname="127.0.0.1", port=port or free_port(), **options)
            controller.start()
            port = answer = controller.port
        elif command == "stop":
            controller.stop()
        elif command == "mode" and argument in MODES:
            handler.mode = argument
        elif command == "mails":
            answer = handler.mails
        elif command == "dialogues":
            answer = handler.dialogues
        elif command == "logins":
            answer = logins.users
        else:
            sys.exit(f"no such command: {line}")
        print(json.dumps(answer), flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


main()
