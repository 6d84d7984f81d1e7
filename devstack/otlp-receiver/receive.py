"""A receiver of OTLP over HTTP, by OpenTelemetry's own definition of the messages.

Prints its port, then one line of JSON for each span it is sent, with the headers it came with. It shares nothing with
our exporter but the standard.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

BODY_BYTES_MAX = 16 * 1024 * 1024
ANSWER_SECONDS_MAX = 10


def value(any_value):
    """What an attribute holds, as JSON has it."""
    kind = any_value.WhichOneof("value")
    if kind in (None, "string_value", "bool_value", "int_value", "double_value"):
        return getattr(any_value, kind) if kind else None
    return str(any_value)


def attributes(pairs):
    return {pair.key: value(pair.value) for pair in pairs}


def told(resource, span, headers):
    return {
        "resource": attributes(resource.attributes),
        "headers": headers,
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind),
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
        "attributes": attributes(span.attributes),
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
        "events": [event.name for event in span.events],
        "status": Status.StatusCode.Name(span.status.code),
    }


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = ANSWER_SECONDS_MAX

    def do_POST(self):
        size = int(self.headers.get("content-length", "0"))
        if self.path != "/v1/traces" or self.headers.get("content-type") != "application/x-protobuf":
            return self.answer(400, b"")
        if size > BODY_BYTES_MAX:
            return self.answer(413, b"")
        request = ExportTraceServiceRequest.FromString(self.rfile.read(size))
        headers = {name.lower(): text for name, text in self.headers.items()}
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    print(json.dumps(told(of_resource.resource, span, headers)), flush=True)
        self.answer(200, ExportTraceServiceResponse().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
