"""Both forms of the log path with rules, levels, rings and held durable lines agree on every body."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.logs.bodies import batches, damaged, joined
from tests.core.logs.support import ARN

ImportTwin = Callable[[str, str], ModuleType]

RULES = (
    ("mask_sequences", "e+", "<$0>"),
    ("mask_sequences", r"(?P<first>\w)(\d)", "$2${first}$$$none"),
    ("exclude_at_match", r"^\s*$"),
    ("include_at_match", "."),
    ("exclude_at_match", "(?i)REPORT|warn"),
)
DURABLE: bytes = msgpack.packb(
    [[{"name": "aws.lambda", "meta": {"request_id": "r1", "aws.durable.execution_id": "i",
       "aws.durable.execution_name": "n", "aws.durable.execution_status": "DONE"},
       "metrics": {"_sampling_priority_v1": -1}}]]
)  # fmt: skip
KEPT: bytes = msgpack.packb([[{"resource": "dd-tracer-serverless-span", "meta": {"request_id": "r2"}}]])
KEEP = ("errors", "slow:4", "percent:30", "cold", "trace")


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """What `LineOptions` takes, with rules as tuples."""
    return {
        "rules": draw(st.lists(st.sampled_from(RULES), max_size=3)),
        "min_level": draw(st.integers(0, 6)),
        "platform": draw(st.sampled_from(["off", "report", "all"])),
        "keep": draw(st.lists(st.sampled_from(KEEP), max_size=2)),
        "durable_requests_max": draw(st.sampled_from([0, 0, 1, 3])),
    }


class Twin:
    """The log path of one form."""

    def __init__(self, import_twin: ImportTwin, form: str) -> None:
        self.modules = {
            name: import_twin(form, name)
            for name in ("core.logs.processor", "core.logs.aggregator", "core.logs.options", "core.logs.rules",
                         "core.lifecycle.end_call", "core.traces.decode", "core.drops", "config.model")
        }  # fmt: skip

    def outcome(self, bodies: list[bytes], wishes: dict[str, Any], managed: bool) -> Any:
        of = self.modules
        drops, saved = of["core.drops"].Drops(), of["core.drops"].Drops()
        model = of["config.model"]
        rules = [
            model.ProcessingRule(rule[0], rule[1], rule[1], rule[2] if len(rule) > 2 else "")
            for rule in wishes["rules"]
        ]
        compiled = of["core.logs.rules"].LogRules(rules, saved) if rules else None
        options = of["core.logs.options"].LineOptions(**{**wishes, "rules": compiled})
        aggregator = of["core.logs.aggregator"].LogAggregator(3, 900, 1 << 20, None, drops)
        processor = of["core.logs.processor"].LogProcessor(
            ARN, "orders", "T", True, aggregator, drops, managed, options, saved
        )
        told = []
        for body in bodies:
            told += [(each.kind, each.time_ms, each.request_id) for each in processor.ingest(body, 0)]
            processor.on_traces(of["core.traces.decode"].read_v04(DURABLE), "r1")
        processor.on_traces(of["core.traces.decode"].read_v04(KEPT), "r1")
        processor.on_end_call("r1", of["core.lifecycle.end_call"].EndCall("", False, True, False))
        processor.release_held()
        sent = [(payload.body, payload.item_count) for payload in aggregator.take()]
        return told, sent, drops.report(), saved.report(), processor.skipped_events


@pytest.mark.compiled_only
@settings(max_examples=300)
@given(
    st.lists(st.one_of(damaged(), batches(takes_raw=True).map(joined)), min_size=1, max_size=3), wishes(), st.booleans()
)
def test_twins_agree_whatever_is_asked_of_them(
    import_twin: ImportTwin, bodies: list[bytes], wishes: dict[str, Any], managed: bool
) -> None:
    arguments = (bodies, wishes, managed)
    assert Twin(import_twin, "compiled").outcome(*arguments) == Twin(import_twin, "pure").outcome(*arguments)


@settings(max_examples=150)
@given(st.lists(batches(), max_size=3), wishes(), st.booleans(), st.data())
def test_where_a_batch_is_split_changes_nothing_whatever_is_asked(
    import_twin: ImportTwin, form: str, events: list[list[bytes]], wishes: dict[str, Any], managed: bool,
    data: st.DataObject,
) -> None:  # fmt: skip
    flat = [event for batch in events for event in batch]
    place = data.draw(st.integers(0, len(flat)))
    wishes["durable_requests_max"] = 0  # a context is told after each body here
    twin = Twin(import_twin, form)
    whole = twin.outcome([joined(flat)], wishes, managed)
    assert twin.outcome([joined(flat[:place]), joined(flat[place:])], wishes, managed) == whole


@settings(max_examples=150)
@given(st.lists(batches(), max_size=3), wishes(), st.booleans())
def test_every_line_is_sent_or_lost_or_saved_and_counted(
    import_twin: ImportTwin, form: str, events: list[list[bytes]], wishes: dict[str, Any], managed: bool
) -> None:
    twin = Twin(import_twin, form)
    told, sent, lost, saved, skipped = twin.outcome([joined(batch) for batch in events], wishes, managed)
    silent = sum(kind in ("out_of_memory", "platform.extension") for kind, _, _ in told)
    out_of_memory = sum(kind == "out_of_memory" for kind, _, _ in told)
    counted = sum(int(part.split(" ")[0]) for part in lost if " logs (" in part)
    counted += sum(int(part.split(" ")[0]) for part in saved if " lines (" in part and " bytes " not in part)
    total = sum(len(batch) for batch in events)
    assert sum(count for _, count in sent) + counted + skipped + silent - out_of_memory == total
