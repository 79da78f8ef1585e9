"""Lines of durable functions: held, enriched, and released in the order in which they came."""

from __future__ import annotations

from typing import Any

from tests.core.logs.support import Path, event, facts, init_start, report, runtime_done, start
from thimble.core.logs.durable import NOT_TOLD, DurableContext, context_of_span
from thimble.core.logs.options import LineOptions

DURABLE = {"runtimeVersion": "python:3.13.DurableFunction.v6"}
ORDINARY = {"runtimeVersion": "python:3.13.v61"}
CONTEXT = DurableContext("nightly", "9f/7", 1, "SUCCEEDED")


def durable_path(requests: int = 3, **more: Any) -> Path:
    return Path(options=LineOptions(durable_requests_max=requests), **more)


def lambdas(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Text and `lambda` object, without the ARN, of everything queued."""
    return [
        (
            entry["message"]["message"].split(" ")[0],
            {key.removeprefix("durable_function."): value for key, value in entry["message"]["lambda"].items()
             if key != "arn"},
        )
        for entry in path.entries()
    ]  # fmt: skip


def test_a_span_of_the_function_tells_the_execution() -> None:
    meta = {"request_id": "r", "aws.durable.execution_id": "9f/7", "aws.durable.execution_name": "nightly"}
    told = context_of_span("aws.lambda", meta)
    assert told is not None
    request_id, context = told
    assert (request_id, context.name, context.execution_id) == ("r", "nightly", "9f/7")
    assert (context.first_invocation, context.status) == (NOT_TOLD, "")
    for text, number in (("true", 1), ("false", 0), ("True", 0)):
        told = context_of_span("aws.lambda", meta | {"aws.durable.first_invocation": text})
        assert told is not None
        assert told[1].first_invocation == number
    told = context_of_span("aws.lambda", meta | {"aws.durable.execution_status": "PENDING"})
    assert told is not None
    assert told[1].status == "PENDING"
    assert context_of_span("aws.lambda.x", meta) is None
    for name in meta:
        assert context_of_span("aws.lambda", {key: value for key, value in meta.items() if key != name}) is None


def test_nothing_is_held_without_a_buffer() -> None:
    path = Path()
    path.ingest(init_start(**DURABLE), start("r"), event("function", "a"))
    path.processor.on_traces(facts(contexts={"r": CONTEXT}), "")
    path.ingest(event("function", "b"))
    assert [sorted(fields) for _, fields in lambdas(path)] == [["request_id"]] * 4


def test_lines_of_an_ordinary_function_are_sent_at_once() -> None:
    path = durable_path()
    path.ingest(init_start(**ORDINARY), start("r"), event("function", "a"))
    assert [text for text, _ in lambdas(path)] == ["START", "INIT_START", "a"]
    assert path.processor.skipped_events == 0


def test_lines_of_a_durable_function_wait_for_their_context_and_carry_it() -> None:
    path = durable_path()
    path.ingest(init_start(**DURABLE), start("r"), event("function", "a"), runtime_done(1.0, requestId="r"))
    assert lambdas(path) == []
    path.processor.on_traces(facts(contexts={"r": CONTEXT}), "")
    both = {"request_id": "r", "execution_id": "9f/7", "execution_name": "nightly"}
    assert lambdas(path) == [
        ("START", {**both, "first_invocation": True}),
        ("INIT_START", both),
        ("a", both),
        ("END", {**both, "first_invocation": True, "execution_status": "SUCCEEDED"}),
    ]
    path.ingest(event("platform.report", {"requestId": "r", "status": "success", "metrics": {
        "durationMs": 2, "billedDurationMs": 2, "memorySizeMB": 128, "maxMemoryUsedMB": 50}}))  # fmt: skip
    assert lambdas(path) == [("REPORT", {**both, "first_invocation": True})]


def test_what_the_span_did_not_tell_is_left_out() -> None:
    path = durable_path()
    path.processor.on_traces(facts(contexts={"r": DurableContext("n", "i", NOT_TOLD, "")}), "")
    path.ingest(init_start(**DURABLE), start("r"))
    assert lambdas(path)[0] == ("START", {"request_id": "r", "execution_id": "i", "execution_name": "n"})


def test_only_the_first_context_of_a_request_counts() -> None:
    path = durable_path()
    path.processor.on_traces(facts(contexts={"r": CONTEXT}), "")
    path.processor.on_traces(facts(contexts={"r": DurableContext("other", "x")}), "")
    path.ingest(init_start(**DURABLE), start("r"))
    assert lambdas(path)[0][1]["execution_name"] == "nightly"


def test_one_request_too_many_sends_the_oldest_as_it_is() -> None:
    path = durable_path(2)
    path.ingest(init_start(**DURABLE))
    for request_id in ("r1", "r2", "r1", "r3"):
        path.ingest(event("function", {"requestId": request_id, "message": "m"}))
    assert [fields for _, fields in lambdas(path)] == [{"request_id": "r1"}] * 2
    path.processor.release_held()
    assert [fields["request_id"] for _, fields in lambdas(path)] == [None, "r2", "r3"]


def test_a_line_that_names_its_execution_is_never_held() -> None:
    path = durable_path()
    arn = "arn:aws:lambda:eu-west-1:1:function:f:3/durable-execution/nightly/9f/7"
    path.ingest(init_start(**DURABLE), event("function", {"requestId": "r", "executionArn": arn}))
    assert lambdas(path)[0][1] == {"request_id": "r", "execution_id": "9f/7", "execution_name": "nightly"}


def test_lines_before_the_start_of_the_runtime_is_known_wait_for_it() -> None:
    path = durable_path()
    path.ingest(start("r"), event("function", "a"))
    assert lambdas(path) == []
    path.ingest(init_start(**ORDINARY))
    assert [text for text, _ in lambdas(path)] == ["START", "a", "INIT_START"]


def test_the_end_of_the_sandbox_sends_what_is_held_as_it_is() -> None:
    path = durable_path()
    path.ingest(init_start(**DURABLE), start("r"), event("function", "a"))
    path.processor.release_held()
    assert lambdas(path) == [
        ("START", {"request_id": "r"}), ("INIT_START", {"request_id": "r"}), ("a", {"request_id": "r"}),
    ]  # fmt: skip


def test_a_managed_instance_tells_the_status_on_its_report() -> None:
    path = durable_path(managed_instance=True)
    path.processor.on_traces(facts(contexts={"11111111-2222-3333-4444-555555555555": CONTEXT}), "")
    path.ingest(init_start(**DURABLE), report({"durationMs": 3}))
    assert lambdas(path)[-1][1]["execution_status"] == "SUCCEEDED"


def test_held_lines_have_a_bound_in_bytes_and_none_is_lost() -> None:
    path = durable_path(500)
    path.ingest(init_start(**DURABLE))
    for number in range(50):
        path.ingest(event("function", {"requestId": f"r{number}", "message": "x" * 200_000}))
    sent = len(lambdas(path))
    assert sent >= 50 - 4 * 1024 * 1024 // 200_000
    path.processor.release_held()
    assert sent + len(lambdas(path)) == 51


def test_the_oldest_of_too_many_contexts_is_forgotten() -> None:
    path = durable_path()
    for number in range(501):
        path.processor.on_traces(facts(contexts={f"r{number}": CONTEXT}), "")
    path.ingest(init_start(**DURABLE))
    for request_id in ("r0", "r1"):
        path.ingest(event("function", {"requestId": request_id, "message": "m"}))
    assert [fields["request_id"] for _, fields in lambdas(path)] == ["r1"]
