"""Own log lines: their exact form, and which level lets which through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.core.codec.log_line import DEBUG, ERROR, INFO, OFF, TRACE, WARN, is_shown, log_line, parse_level


@pytest.mark.parametrize(
    ("level", "text", "expected"),
    [
        ("INFO", "ready", '{"status":"INFO","message":"DD_EXTENSION | INFO | ready"}'),
        (
            "ERROR",
            'bad "key"\n\tpath C:\\x',
            '{"status":"ERROR","message":"DD_EXTENSION | ERROR | bad \\"key\\"\\n\\tpath C:\\\\x"}',
        ),
        ("WARN", "bell\u0007 é", '{"status":"WARN","message":"DD_EXTENSION | WARN | bell\\u0007 é"}'),
        ("DEBUG", "\r\x1f\x0b", '{"status":"DEBUG","message":"DD_EXTENSION | DEBUG | \\r\\u001F\\u000B"}'),
    ],
)
def test_a_line_is_one_json_object_with_upper_case_escapes(level: str, text: str, expected: str) -> None:
    assert log_line(level, text) == expected


@given(st.sampled_from(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]), st.text())
def test_any_text_reads_back_from_its_line(level: str, text: str) -> None:
    line = log_line(level, text)
    assert json.loads(line) == {"status": level, "message": f"DD_EXTENSION | {level} | {text}"}
    assert not any(character < " " for character in line)


@pytest.mark.parametrize(
    ("text", "verbosity"),
    [
        ("error", ERROR), ("WARN", WARN), ("Info", INFO), (" debug ", DEBUG), ("trace", TRACE),
        ("off", OFF), ("warning", WARN), ("CRITICAL", ERROR), ("", -1), ("loud", -1), ("3", -1),
    ],
)  # fmt: skip
def test_levels_of_other_loggers_are_understood(text: str, verbosity: int) -> None:
    assert parse_level(text) == verbosity


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        (OFF, []), (ERROR, ["ERROR"]), (WARN, ["ERROR", "WARN"]), (INFO, ["ERROR", "WARN", "INFO"]),
        (DEBUG, ["ERROR", "WARN", "INFO", "DEBUG"]), (TRACE, ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]),
    ],
)  # fmt: skip
def test_a_level_lets_itself_and_all_graver_ones_through(verbosity: int, shown: list[str]) -> None:
    levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
    assert [level for level in levels if is_shown(level, verbosity)] == shown
