"""What a tracer's end-invocation call says about failure."""

from __future__ import annotations

import pytest

from thimble.core.lifecycle.end_call import read_end_call

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
    assert read_end_call(headers, body).is_failed == expected


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ("1", True),
        ("2.0", True),
        ("0", False),
        ("-1", False),
        ("0.9", False),
        ("nan", False),
        ("x", False),
        ("", False),
    ],
)
def test_a_sampling_priority_above_0_keeps_the_trace(priority: str, expected: bool) -> None:
    assert read_end_call([("x-datadog-sampling-priority", priority)], b"").is_trace_kept == expected


def test_a_call_without_a_priority_keeps_no_trace_and_may_name_its_invocation() -> None:
    call = read_end_call([("lambda-runtime-aws-request-id", "r1"), ("x-datadog-invocation-error", "true")], b"{}")
    assert (call.request_id, call.has_error, call.has_server_error, call.is_trace_kept) == ("r1", True, False, False)
    assert read_end_call([], b"").request_id == ""


def test_an_error_and_an_answer_of_500_are_told_apart() -> None:
    call = read_end_call([("x-datadog-invocation-error-msg", "no")], b'{"statusCode":502}')
    assert (call.has_error, call.has_server_error) == (True, True)
    call = read_end_call([], b'{"statusCode":502}')
    assert (call.has_error, call.has_server_error) == (False, True)
