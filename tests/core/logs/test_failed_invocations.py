"""Lines that tell of a failure, and the invocation whose held lines they bring along."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.logs.support import Path, billing, event
from thimble.core.drops import Drops
from thimble.core.limits import KEPT_REQUESTS_MAX
from thimble.core.logs.levels import INFO
from thimble.core.logs.options import LineOptions

FAILURES = [
    ({"level": "ERROR", "errorType": "E", "stackTrace": ["a"]}, "error"),
    ({"level": "ERROR", "message": {"errorType": "E", "stackTrace": ["a"]}}, "error"),
    ({"level": "ERROR", "message": "MemoryError"}, "out_of_memory"),
]


def low(request_id: str) -> dict[str, Any]:
    return event("function", {"level": "DEBUG", "requestId": request_id, "message": "low"})


def begin(request_id: str) -> dict[str, Any]:
    return event("platform.start", {"requestId": request_id})


def kept(path: Path) -> list[tuple[str, str]]:
    """Request id and reason of what was sent although it was below the level."""
    found = [(entry["message"]["lambda"]["request_id"], entry["ddtags"]) for entry in path.entries()]
    return [(request_id, tags.partition("kept_for:")[2]) for request_id, tags in found if "kept_for:" in tags]


@pytest.mark.parametrize(("record", "reason"), FAILURES)
def test_of_invocations_that_overlap_the_one_that_the_line_names_has_failed(
    record: dict[str, Any], reason: str
) -> None:
    path = Path(managed_instance=True, options=LineOptions(min_level=INFO, keep=("errors",)))
    path.ingest(begin("r1"), begin("r2"), low("r1"), low("r2"), event("function", {**record, "requestId": "r1"}))
    for name in ("r1", "r2"):
        path.ingest(event("platform.report", {"requestId": name, "status": "success", "metrics": {"durationMs": 1}}))
    assert kept(path) == [("r1", reason)]


@pytest.mark.parametrize(("record", "reason"), FAILURES)
def test_of_invocations_that_overlap_none_is_blamed_by_a_line_without_a_name(
    record: dict[str, Any], reason: str
) -> None:
    saved = Drops()
    path = Path(managed_instance=True, options=LineOptions(min_level=INFO, keep=("errors",)), saved=saved)
    path.ingest(begin("r1"), low("r1"), event("function", record))
    path.ingest(event("platform.report", {"requestId": "r1", "status": "success", "metrics": {"durationMs": 1}}))
    assert kept(path) == []
    assert saved.total("lines") == 1


@pytest.mark.parametrize(("record", "reason"), FAILURES)
def test_of_invocations_one_by_one_the_current_one_has_failed_whatever_the_line_names(
    record: dict[str, Any], reason: str
) -> None:
    path = Path(options=LineOptions(min_level=INFO, keep=("errors",)))
    path.ingest(begin("r1"), event("function", "[DEBUG] low"), event("function", {**record, "requestId": "upstream"}))
    path.ingest(event("platform.report", {"requestId": "r1", "status": "success", "metrics": billing(2.0, 2)}))
    assert kept(path) == [("r1", reason)]


def test_only_the_invocation_that_filled_the_memory_is_out_of_it() -> None:
    """The platform's figure is the peak of the sandbox: it does not fall."""
    path = Path(options=LineOptions(min_level=INFO, keep=("errors",)))
    for name, used_mb in (("r1", 90), ("r2", 128), ("r3", 128)):
        path.ingest(begin(name), event("function", "[DEBUG] low"))
        metrics = billing(2.0, 2, 128, used_mb)
        path.ingest(event("platform.report", {"requestId": name, "status": "success", "metrics": metrics}))
    assert kept(path) == [("r2", "out_of_memory")]


def test_an_invocation_that_is_forgotten_before_its_end_does_not_count_as_a_good_one() -> None:
    saved = Drops()
    path = Path(managed_instance=True, options=LineOptions(min_level=INFO, keep=("errors",)), saved=saved)
    for number in range(KEPT_REQUESTS_MAX + 1):
        path.ingest(low(f"r{number}"))
    assert saved.report()[0] == "1 lines (kept_lines_full)"
