"""The request that the parsers are compared with: a small trace payload, as Datadog's Python tracer posts it."""

from __future__ import annotations

HEADERS = (
    ("Host", "localhost:8126"),
    ("Datadog-Meta-Lang", "python"),
    ("Datadog-Meta-Lang-Version", "3.12.4"),
    ("Datadog-Meta-Tracer-Version", "2.9.2"),
    ("X-Datadog-Trace-Count", "1"),
    ("Content-Type", "application/msgpack"),
    ("Content-Length", "2000"),
    ("Connection", "keep-alive"),
)
BODY = bytes(range(200)) * 10
REQUEST = (
    b"PUT /v0.5/traces HTTP/1.1\r\n"
    + b"".join(f"{name}: {value}\r\n".encode() for name, value in HEADERS)
    + b"\r\n"
    + BODY
)


def expected() -> tuple[str, str, list[tuple[str, str]], bool, bytes]:
    """What a parser must have read."""
    return "PUT", "/v0.5/traces", [(name.lower(), value) for name, value in HEADERS], True, BODY
