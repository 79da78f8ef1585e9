"""Which traces are kept, which invocations they name, and which durable executions spans tell."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from thimble.core import limits
from thimble.core.traces.decode import read_v04
from thimble.core.traces.facts import PRIORITY, TraceFacts


def span(span_id: int, parent_id: int, priority: float | None = None, **fields: Any) -> dict[str, Any]:
    metrics = {} if priority is None else {PRIORITY: priority}
    return {"trace_id": 1, "span_id": span_id, "parent_id": parent_id, "metrics": metrics} | fields


def invocation(request_id: str, **meta: str) -> dict[str, Any]:
    return {"name": "aws.lambda", "meta": {"request_id": request_id} | meta}


def read(*chunks: list[Any]) -> TraceFacts:
    return read_v04(msgpack.packb(list(chunks)))


@pytest.mark.parametrize(
    ("spans", "is_kept"),
    [
        ([span(1, 0, 1.0)], True),
        ([span(1, 0, 2)], True),
        ([span(1, 0, 0.0)], False),
        ([span(1, 0, -1.0)], False),
        ([span(1, 0, 0.9)], False),
        ([span(1, 0, float("nan"))], False),
        ([span(1, 0)], True),
        # The root decides: the last span without a parent.
        ([span(1, 0, 0.0), span(2, 1, 1.0)], False),
        ([span(2, 1, 1.0), span(1, 0, 0.0)], False),
        ([span(1, 0, 1.0), span(2, 0, 0.0)], False),
        ([span(1, 0, 0.0), span(2, 0, 1.0)], True),
        # Else the last one whose parent is elsewhere.
        ([span(5, 9, 0.0), span(6, 5, 1.0)], False),
        ([span(5, 9, 0.0), span(6, 8, 1.0)], True),
        # Else the last one.
        ([span(1, 2, 0.0), span(2, 1, 1.0)], True),
        # A root that does not say leaves it to the first that does.
        ([span(1, 0), span(2, 1, -1.0), span(3, 1, 1.0)], False),
        ([span(1, 0), span(2, 1), span(3, 1, 2.0)], True),
        # A span that is its own parent, and its own trace, has none.
        ([span(1, 1, 0.0), span(2, 1, 1.0)], False),
        ([span(3, 3, 0.0), span(4, 9, 1.0)], True),
    ],
)
def test_the_root_decides_whether_a_trace_is_kept(spans: list[dict[str, Any]], is_kept: bool) -> None:
    assert read(spans).is_unnamed_kept == is_kept
    named = [span(7, spans[0]["span_id"]) | invocation("r1"), *spans]
    assert read(named).kept_requests == (["r1"] if is_kept else [])


def test_chunks_are_judged_apart() -> None:
    facts = read(
        [span(1, 0, 1.0) | invocation("r1"), span(2, 1)],
        [span(3, 0, 0.0) | invocation("r2")],
        [],
        [span(4, 0, 1.0) | invocation("r3"), span(5, 4) | invocation("r1")],
    )
    assert facts.kept_requests == ["r1", "r3"]
    assert not facts.is_unnamed_kept


def test_a_placeholder_names_its_invocation_and_other_spans_name_none() -> None:
    meta = {"request_id": "r1"}
    assert read([{"resource": "dd-tracer-serverless-span", "meta": meta}]).kept_requests == ["r1"]
    for other in ({"name": "aws.lambda.load", "meta": meta}, {"name": "web", "resource": "aws.lambda", "meta": meta}):
        facts = read([other])
        assert (facts.kept_requests, facts.is_unnamed_kept) == ([], True)


def test_the_functions_span_tells_the_durable_execution_kept_or_not() -> None:
    meta = {"aws.durable.execution_id": "9f/7", "aws.durable.execution_name": "nightly"}
    facts = read(
        [span(1, 0, -1.0) | invocation("r1", **meta, **{"aws.durable.first_invocation": "true"})],
        [span(2, 0, -1.0) | invocation("r1", **(meta | {"aws.durable.execution_name": "second word"}))],
        [span(3, 0, -1.0) | invocation("r2", **{"aws.durable.execution_id": "9f/7"})],
    )
    assert facts.kept_requests == []
    assert [(key, each.name, each.execution_id, each.first_invocation) for key, each in facts.contexts.items()] == [
        ("r1", "nightly", "9f/7", 1)
    ]


def test_what_is_collected_has_a_bound() -> None:
    meta = {"aws.durable.execution_id": "i", "aws.durable.execution_name": "n"}
    for chunks in (
        [[invocation(f"r{number}", **meta)] for number in range(2000)],
        [[invocation(f"r{number}", **meta) for number in range(2000)]],
    ):
        facts = read(*chunks)
        assert len(facts.kept_requests) == len(facts.contexts) == limits.DURABLE_CONTEXTS_MAX


def test_a_chunk_of_very_many_spans_without_a_root_is_judged_by_the_first_of_them() -> None:
    spans = [span(10, 9, 0.0)] + [span(11, 10, 1.0)] * limits.ROOTLESS_SPANS_MAX + [span(12, 8, 1.0)]
    assert not read(spans).is_unnamed_kept
    assert read([*spans, span(13, 0, 1.0)]).is_unnamed_kept
