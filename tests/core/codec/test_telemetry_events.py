"""Platform events: what is read, what is tolerated, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.core.codec.rfc3339 import INVALID_TIME_MS, parse_time_ms
from thimble.core.codec.telemetry_events import TelemetryEvent, parse_platform_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ON_DEMAND = {"durationMs": 12, "billedDurationMs": 18.0, "memorySizeMB": 128, "maxMemoryUsedMB": 50}


def parse(kind: str, record: Any) -> TelemetryEvent:
    event = parse_platform_event(kind, 7, record)
    assert event is not None
    assert (event.kind, event.time_ms) == (kind, 7)
    return event


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-02T10:15:31.402Z", 1772446531.402),
        ("2026-03-02T10:15:31Z", 1772446531),
        ("2026-03-02T10:15:31.402123Z", 1772446531.402),
        ("2026-03-02T11:15:31.402+01:00", 1772446531.402),
        ("2026-03-02t09:45:31.402999999999z".replace("09:45", "10:15"), 1772446531.402),
        ("2026-03-02 09:45:31.4-00:30", 1772446531.4),
        ("2016-12-31T23:59:60Z", 1483228800),
        ("2000-02-29T00:00:00Z", 951782400),
        ("0000-01-01T00:00:00Z", -62167219200),
        ("1969-12-31T23:59:59.999Z", -0.001),
    ],
)
def test_date_time_is_cut_to_milliseconds(text: str, seconds: float) -> None:
    assert parse_time_ms(text) == round(seconds * 1000)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-03-02", "2026-03-02T10:15:31", "2026-03-02T10:15:31.Z", "2026-02-29T10:15:31Z",
        "1900-02-29T10:15:31Z", "2026-13-02T10:15:31Z", "2026-00-02T10:15:31Z", "2026-03-00T10:15:31Z",
        "2026-04-31T10:15:31Z", "2026-03-02T24:15:31Z", "2026-03-02T10:60:31Z", "2026-03-02T10:15:61Z",
        "2026-03-02T10:15:31+01", "2026-03-02T10:15:31+0100", "2026-03-02T10:15:31+24:00", "2026-03-02T10:15:31Zx",
        "2026-03-02T10:15:31.402", "2026-03-02T10:15:31.4x2Z", "٢٠٢٦-03-02T10:15:31Z", "-026-03-02T10:15:31Z",
        "2026-03-02T10:15:3\ud800Z",
    ],
)  # fmt: skip
def test_text_that_is_no_date_time_is_refused(text: str) -> None:
    assert parse_time_ms(text) == INVALID_TIME_MS


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),
    st.integers(-1439, 1439),
    st.integers(0, 9),
)
def test_date_time_agrees_with_the_standard_library(moment: datetime, offset_minutes: int, digits: int) -> None:
    zone = timezone(timedelta(minutes=offset_minutes))
    moment = moment.replace(tzinfo=zone)
    sign = "-" if offset_minutes < 0 else "+"
    fraction = "." + f"{moment.microsecond:06}000"[:digits] if digits else ""
    hours, minutes = divmod(abs(offset_minutes), 60)
    text = f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}{fraction}{sign}{hours:02}:{minutes:02}"
    shown = moment.microsecond // 10 ** max(0, 6 - digits) * 10 ** max(0, 6 - digits) if digits else 0
    since = moment.replace(microsecond=shown) - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time_ms(text) == since // timedelta(milliseconds=1)


def test_report_with_integral_floats_has_the_on_demand_shape() -> None:
    event = parse("platform.report", {"requestId": "r", "status": "success", "metrics": ON_DEMAND})
    assert event.is_on_demand_shape
    assert (event.duration_ms, event.billed_duration_ms, event.memory_size_mb) == (12.0, 18, 128)
    assert (event.init_duration_ms, event.restore_duration_ms) == (None, None)


@pytest.mark.parametrize(
    "change",
    [{"billedDurationMs": 18.5}, {"memorySizeMB": -1}, {"maxMemoryUsedMB": None}, {"billedDurationMs": True}],
)
def test_report_without_readable_billing_has_the_managed_shape(change: dict[str, Any]) -> None:
    metrics = {**ON_DEMAND, **change}
    event = parse("platform.report", {"requestId": "r", "status": "timeout", "metrics": metrics})
    assert not event.is_on_demand_shape
    assert (event.duration_ms, event.status) == (12.0, "timeout")


def test_runtime_done_without_metrics_still_ends_its_invocation() -> None:
    for metrics in ({}, {"metrics": None}, {"metrics": {"durationMs": "1"}}):
        event = parse("platform.runtimeDone", {"requestId": "r", "status": "success", **metrics})
        assert (event.request_id, event.has_metrics) == ("r", False)


def test_runtime_done_carries_metrics_and_the_spans_that_can_be_read() -> None:
    span = {"name": "responseLatency", "start": "2026-03-02T10:15:31.402Z", "durationMs": 33.911}
    event = parse(
        "platform.runtimeDone",
        {
            "requestId": "r",
            "status": "error",
            "errorType": "Runtime.ExitError",
            "spans": [span, 5, {**span, "start": "?"}, {"name": "x"}],
            "metrics": {"durationMs": 34.882, "producedBytes": 52},
        },
    )
    assert (event.duration_ms, event.produced_bytes, event.error_type) == (34.882, 52, "Runtime.ExitError")
    assert [(each.name, each.start_ms, each.duration_ms) for each in event.spans] == [
        ("responseLatency", 1772446531402, 33.911)
    ]


def test_unknown_enumeration_values_pass_as_text() -> None:
    event = parse("platform.initStart", {"initializationType": "new", "phase": "newer", "runtimeVersion": "p:3"})
    assert (event.init_type, event.phase, event.runtime_version) == ("new", "newer", "p:3")


def test_dropped_logs_are_told_with_their_numbers() -> None:
    event = parse("platform.logsDropped", {"reason": "slow", "droppedRecords": 210, "droppedBytes": 48213})
    assert (event.reason, event.dropped_records, event.dropped_bytes) == ("slow", 210, 48213)


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("platform.initStart", {"initializationType": "on-demand"}),
        ("platform.initStart", {"phase": "init"}),
        ("platform.initReport", {"initializationType": "on-demand", "phase": "init"}),
        ("platform.initRuntimeDone", {"initializationType": "on-demand"}),
        ("platform.start", {}),
        ("platform.start", {"requestId": 5}),
        ("platform.runtimeDone", {"requestId": "r"}),
        ("platform.report", {"requestId": "r", "status": "success"}),
        ("platform.report", {"requestId": "r", "status": "success", "metrics": {"durationMs": "1"}}),
        ("platform.extension", {"name": "x"}),
        ("platform.logsDropped", {"reason": "r", "droppedRecords": -1, "droppedBytes": 1}),
        ("platform.restoreReport", {}),
        ("platform.restoreStart", None),
        ("platform.end", {"requestId": "a"}),
        ("function", {}),
    ],
)
def test_event_without_what_it_is_about_is_refused(kind: str, record: Any) -> None:
    assert parse_platform_event(kind, 0, record) is None


@given(
    st.sampled_from(["initStart", "initReport", "start", "runtimeDone", "report", "restoreReport", "logsDropped"]),
    st.dictionaries(
        st.sampled_from(
            ["requestId", "status", "metrics", "spans", "phase", "initializationType", "reason", "errorType"]
        ),
        JSON | st.fixed_dictionaries({"durationMs": JSON, "billedDurationMs": JSON}),
    ),
)
def test_no_record_raises(kind: str, record: dict[str, Any]) -> None:
    parse_platform_event("platform." + kind, 0, record)
