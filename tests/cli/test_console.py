"""What a person, or a pipe, gets to read."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from thimble.sandbox.console import LOGS_SHOWN_MAX, PlainView, PrettyView, cells_to_scale, view_for
from thimble.sandbox.run_report import Invocation, LogLine, RunReport

from . import runs


def pretty(*shown: Invocation | RunReport, width: int = 100, shows_all: bool = False) -> str:
    """Render as on a terminal, then drop the colours."""
    stream = io.StringIO()
    view = PrettyView(Console(file=stream, force_terminal=True, width=width, highlight=False), shows_all)
    for one in shown:
        view.summary(one) if isinstance(one, RunReport) else view.invocation(one)
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


def plain(*shown: Invocation | RunReport) -> list[str]:
    stream = io.StringIO()
    view = PlainView(stream)
    for one in shown:
        view.summary(one) if isinstance(one, RunReport) else view.invocation(one)
    return stream.getvalue().splitlines()


def test_a_panel_shows_the_figures_the_answer_and_the_log_lines_in_order_of_time() -> None:
    text = pretty(runs.invocation())
    for part in ("1 cold start · answered", runs.REQUEST_ID, "init 182 ms", "handler 23 ms", "extension 3.90 ms"):
        assert part in text
    for part in ("billed 210 ms", "memory 61 of 512 MB", '→ {"total": 7.5}', "+190 ms  info   order received"):
        assert part in text
    assert "↑ logs 202, 7 entries, 400 B on the wire for 2.0 kB (5.0x)" in text
    assert text.index("INIT_START") < text.index("START RequestId") < text.index("order received")


def test_the_bar_is_to_scale_and_fills_the_panel() -> None:
    bar = next(
        row for row in pretty(runs.invocation(init_ms=50.0, handler_ms=25.0, after_ms=25.0)).splitlines() if "██" in row
    )
    assert bar.count("█") == 96


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3), st.integers(3, 200))
def test_cells_sum_up_to_the_width_and_nothing_that_took_time_is_invisible(values: list[float], width: int) -> None:
    cells = cells_to_scale(values, width)
    assert sum(cells) == (width if any(value > 0 for value in values) else 0)
    assert all((count > 0) == (value > 0) for count, value in zip(cells, values, strict=True))


def test_a_failure_shows_what_failed_and_not_the_whole_document() -> None:
    text = pretty(runs.failed())
    assert "2 warm · failed" in text
    assert "✗ KeyError: 'scissors'" in text
    assert "stackTrace" not in text


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("Sandbox.Timedout", "timed out"),
        ("Runtime.ExitError", "runtime exited"),
        ("Extension.Crash", "extension crashed"),
        ("Function.ResponseSizeTooLarge", "failed: Function.ResponseSizeTooLarge"),
    ],
)
def test_each_error_has_its_words_in_both_forms(outcome: str, words: str) -> None:
    assert f"· {words}" in pretty(runs.failed(outcome=outcome))
    assert f"2 warm: {words}, request" in plain(runs.failed(outcome=outcome))[0]


def test_a_traceback_is_shown_row_by_row_up_to_a_limit() -> None:
    trace = "[ERROR] KeyError\r" + "\r".join(f"  File {number}" for number in range(20))
    text = pretty(runs.invocation(logs=[runs.line(1, trace, "error")]))
    assert "  File 6 " in text
    assert "File 7" not in text
    assert "… 13 more rows" in text
    assert "File 19" in pretty(runs.invocation(logs=[runs.line(1, trace, "error")]), shows_all=True)


def test_of_many_lines_the_first_and_the_last_are_shown_and_the_rest_is_counted() -> None:
    many = runs.invocation(logs=[runs.line(number, f"row {number};") for number in range(100)])
    text = pretty(many)
    assert text.count("row ") == LOGS_SHOWN_MAX
    assert f"… {100 - LOGS_SHOWN_MAX} more lines, --full shows all" in text
    assert "row 0;" in text
    assert "row 99;" in text
    assert pretty(many, shows_all=True).count("row ") == 100


@given(st.text(max_size=300), st.integers(60, 140))
def test_no_log_text_breaks_the_frame_or_reaches_the_terminal_as_a_command(text: str, width: int) -> None:
    shown = pretty(runs.invocation(logs=[LogLine(text, "info", runs.START_MS, runs.REQUEST_ID, False)]), width=width)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    rows = shown.splitlines() if not re.search(r"[\u2028\u2029\x85]", shown) else shown.split("\n")[:-1]
    assert {cell_len(row) for row in rows} == {min(width, 132)}
    one_row = plain(runs.invocation(logs=[LogLine(text, "info", runs.START_MS, runs.REQUEST_ID, False)]))
    assert len(one_row) == 4


def test_requests_that_were_refused_or_unreadable_stand_out() -> None:
    text = pretty(runs.invocation(requests=[runs.request(503), runs.request("hang"), runs.request(202, "not JSON: x")]))
    assert "✗ logs 503, 7 entries" in text
    assert "✗ logs hang, 7 entries" in text
    assert "↑ logs 202, not JSON: x" in text


def test_the_summary_says_that_nothing_was_lost() -> None:
    text = pretty(runs.report([runs.invocation()]))
    assert re.search(r"logs +3 +2 +14 entries +1\.2 kB +6\.0 kB +5\.0x", text)
    assert "✓ Nothing was lost: all 14 log lines arrived." in text
    assert "Cold start: datadog-agent registered after 7.10 ms, ready after 8.80 ms." in text
    assert "Shutdown took 42 ms: datadog-agent exited cleanly." in text


def test_the_summary_names_what_was_lost_and_what_broke_the_protocol() -> None:
    report = runs.report([], lost=["the missing one\n"], undelivered=["another"], violations=["next: twice"])
    for text in (pretty(report), "\n".join(plain(report))):
        assert "2 of 14 log lines never arrived: the extension accepted 1 and did not send them, 1 the" in text
        assert "the missing one" in text
        assert "another" in text
        assert "protocol: next: twice" in text


@pytest.mark.parametrize(
    ("code", "words"), [(3, "exited with 3"), (-9, "was killed by signal 9"), (None, "still runs")]
)
def test_an_unclean_end_is_told(code: int | None, words: str) -> None:
    report = runs.report([])
    report.shutdown.exit_codes["datadog-agent"] = code
    assert f"datadog-agent {words}." in pretty(report)


def test_a_run_without_an_extension_says_where_the_lines_went() -> None:
    report = runs.report([], extension="", totals={}, undelivered=["x"] * 14)
    assert "No extension ran, so 14 log lines went nowhere." in pretty(report)


def test_many_warm_invocations_get_their_medians() -> None:
    warm = [runs.failed(outcome="ok", handler_ms=float(n), after_ms=n / 10) for n in range(1, 101)]
    assert "100 warm invocations, median: handler 51 ms (95 %: 96 ms), extension 5.10 ms (95 %: 9.60 ms)." in plain(
        runs.report(warm)
    )
    assert not [row for row in plain(runs.report(warm[:4])) if "median" in row]


def test_the_plain_form_has_one_fact_per_line_with_everything_in_it() -> None:
    assert plain(runs.invocation()) == [
        f"1 cold start: answered, request {runs.REQUEST_ID}, init 182.40 ms, handler 23.10 ms, extension 3.90 ms, "
        "duration 27.00 ms, billed 210 ms, memory 61 of 512 MB",
        '1 answer {"total": 7.5}',
        f"1 log +184 ms info START RequestId: {runs.REQUEST_ID} Version: $LATEST",
        "1 log +0 ms info INIT_START Runtime Version: python3.11.local Runtime Version ARN: ?",
        "1 log +190 ms info order received",
        f"1 log +208 ms info REPORT RequestId: {runs.REQUEST_ID} Duration: 27.00 ms",
        "1 sent logs 202, 7 entries, 400 B on the wire for 2.0 kB (5.0x)",
    ]


def test_a_stream_that_is_no_terminal_gets_the_plain_form() -> None:
    assert isinstance(view_for(io.StringIO(), False), PlainView)


def test_a_stream_without_unicode_still_gets_every_line() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    PlainView(stream).invocation(runs.invocation(logs=[runs.line(1, "grüße")]))
    assert b"1 log +1 ms info gr??e\n" in raw.getvalue()


def test_what_the_extension_itself_complained_about_is_shown() -> None:
    report = runs.report([], own_lines=[("error", "DD_EXTENSION | ERROR | no key"), ("info", "quiet")])
    assert "The extension said: DD_EXTENSION | ERROR | no key" in pretty(report)
    assert "quiet" not in pretty(report)
    assert "extension said: info quiet" in plain(report)


def test_a_long_list_of_lost_lines_is_cut_and_counted() -> None:
    report = runs.report([], lost=[f"row {number}" for number in range(25)])
    assert "lost: row 19" in plain(report)
    assert "lost: ... and 5 more" in plain(report)
    assert "lost: row 20" not in plain(report)
