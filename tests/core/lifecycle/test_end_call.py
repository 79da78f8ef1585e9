"""What a tracer's end-invocation call says about failure."""

from __future__ import annotations

import pytest

from thimble.core.lifecycle.end_call import is_failed_end_call

PREFIX = "x-datadog-invocation-error"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ([(PREFIX, "true")], b"", True),
        ([(PREFIX, "TRUE")], b"{}", True),
        ([(PREFIX, "false")], b"{}", False),
        ([(PREFIX, "1")], b"{}", False),
        ([(PREFIX, "true"), (PREFIX, "false")], b"", False),
        ([(PREFIX + "-msg", "")], b"", True),
        ([(PREFIX + "-type", "ValueError")], b"", True),
        ([(PREFIX + "-stack", "x")], b"", True),
        ([("x-datadog-trace-id", "5")], b"", False),
        ([], b'{"statusCode":500}', True),
        ([], b'{"statusCode": 599, "body": ""}', True),
        ([], b'{"statusCode":600}', False),
        ([], b'{"statusCode":499}', False),
        ([], b'{"statusCode":"500"}', False),
        ([], b'{"statusCode":500.0}', False),
        ([], b'{"statusCode":true}', False),
        ([], b'{"body":{"statusCode":500}}', False),
        ([], b'["statusCode",500]', False),
        ([], b'{"statusCode":500', False),
        ([], b"\xff statusCode", False),
    ],
)
def test_an_end_call_fails_by_its_headers_or_by_a_server_error(
    headers: list[tuple[str, str]], body: bytes, expected: bool
) -> None:
    assert is_failed_end_call(headers, body) == expected
