"""Stripe's own client against the payment simulator: what it reads, what it refuses, and which events it believes.

Called with the simulator's URL, its key and the endpoint's secret; fails with the first thing that is not as it should be.
"""

import http.server
import json
import queue
import sys
import threading
import urllib.request

import stripe

EVENT_SECONDS_MAX = 20

url, key, secret = sys.argv[1:4]
client = stripe.StripeClient(key, base_addresses={"api": url})
arrived = queue.Queue()


class Webhook(http.server.BaseHTTPRequestHandler):
    """Lets the client check each event, and keeps what it made of it."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            arrived.put(stripe.Webhook.construct_event(body, self.headers["stripe-signature"], secret).type)
        except stripe.SignatureVerificationError as error:
            arrived.put(str(error))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def control(path, body):
    request = urllib.request.Request(f"{url}/_sim/{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def is_next(*wanted):
    for event in wanted:
        got = arrived.get(timeout=EVENT_SECONDS_MAX)
        assert event in got, (event, got)


def sell(mode, recurring, **more):
    price = {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Plan"}, **recurring}
    lines = [{"price_data": price, "quantity": 1}]
    params = {"mode": mode, "success_url": "https://shop.test", "line_items": lines, "expand": ["line_items"], **more}
    return client.v1.checkout.sessions.create(params, {"idempotency_key": f"{mode}-{more}"})


def subscriptions():
    customer = client.v1.customers.create({"email": "a@b.test", "metadata": {"user_id": "u1"}})
    session = sell("subscription", {"recurring": {"interval": "month"}}, customer=customer.id)
    assert session.line_items.data[0].amount_total == 900
    assert sell("subscription", {"recurring": {"interval": "month"}}, customer=customer.id).id == session.id
    control(f"sessions/{session.id}/pay", {})
    is_next("customer.subscription.created", "invoice.paid", "checkout.session.completed")
    session = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    subscription = session.subscription
    assert (session.status, subscription.status) == ("complete", "active")
    changed = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert changed.cancel_at == subscription["items"].data[0].current_period_end
    invoices = client.v1.invoices.list({"customer": customer.id, "expand": ["data.payments"]})
    intent = invoices.data[0].payments.data[0].payment.payment_intent
    refund = client.v1.refunds.create({"payment_intent": intent, "amount": 100})
    assert (refund.status, refund.amount) == ("succeeded", 100)
    assert client.v1.subscriptions.cancel(subscription.id).status == "canceled"
    is_next("customer.subscription.updated", "charge.refunded", "customer.subscription.deleted")


def errors_and_lists():
    try:
        client.v1.customers.retrieve("cus_none")
        raise AssertionError("there is no such customer")
    except stripe.InvalidRequestError as error:
        assert (error.http_status, error.code, error.param) == (404, "resource_missing", "id")
    try:
        stripe.StripeClient("sk_test_wrong", base_addresses={"api": url}).v1.customers.list()
        raise AssertionError("the key is wrong")
    except stripe.AuthenticationError as error:
        assert error.http_status == 401
    for _ in range(4):
        client.v1.customers.create({})
    assert len(list(client.v1.customers.list({"limit": 2}).auto_paging_iter())) == 5
    # The client repeats what broke, under one key.
    control("faults", {"fault": "answer_lost", "on": "create_customer"})
    patient = stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=2)
    assert patient.v1.customers.create({"name": "Ann"}).name == "Ann"
    assert len(list(client.v1.customers.list().auto_paging_iter())) == 6


def events():
    for fault, wanted in [
        ({"fault": "forged"}, ["No signatures found matching"]),
        ({"fault": "stale_timestamp", "s": 400}, ["Timestamp outside the tolerance zone"]),
        ({"fault": "duplicated", "copies": 1}, ["checkout.session.completed"] * 2),
    ]:
        control("faults", fault)
        session = sell("payment", {}, client_reference_id=fault["fault"])
        control(f"sessions/{session.id}/pay", {})
        is_next(*wanted)
    listed = client.v1.events.list({"type": "checkout.session.completed", "limit": 100})
    assert len(listed.data) == 4 and not listed.has_more
    assert listed.data[0].data.object["payment_status"] == "paid"


server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
threading.Thread(target=server.serve_forever, daemon=True).start()
control("webhook", {"url": f"http://127.0.0.1:{server.server_port}/"})
subscriptions()
errors_and_lists()
events()
assert arrived.empty()
print("all as it should be")
