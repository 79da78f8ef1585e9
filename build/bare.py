"""The least that an extension in Python can do: the yardstick for start-up, by the same interpreter and launcher.

Registers, subscribes, asks for `/next`, and waits until the answer says SHUTDOWN. No listeners, no error handling.
"""

import _socket
import posix
import sys  # noqa: F401

HOST, _, PORT = posix.environ[b"AWS_LAMBDA_RUNTIME_API"].decode().partition(":")


def exchange(request):
    connection.sendall(request)
    answer = connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    at = head.lower().find(b"content-length:")
    size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    while len(body) < size:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def request(line, headers, body=b""):
    return line + b" HTTP/1.1\r\nHost: api\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
connection.connect((HOST, int(PORT)))
registered = exchange(
    request(
        b"POST /2020-01-01/extension/register",
        b"Lambda-Extension-Name: datadog-agent\r\nLambda-Extension-Accept-Feature: accountId\r\n",
        b'{"events":["INVOKE","SHUTDOWN"]}',
    )
)
at = registered.lower().find(b"lambda-extension-identifier:") + 28
identity = b"Lambda-Extension-Identifier: " + registered[at:].split(b"\r\n", 1)[0].strip() + b"\r\n"
exchange(
    request(
        b"PUT /2022-07-01/telemetry",
        identity,
        b'{"schemaVersion":"2022-12-13","destination":{"protocol":"HTTP","URI":"http://sandbox:8999/"},'
        b'"types":["platform","extension","function"],"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}}',
    )
)
while b"SHUTDOWN" not in exchange(request(b"GET /2020-01-01/extension/event/next", identity)):
    pass
posix._exit(0)
