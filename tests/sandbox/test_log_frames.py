"""Lines and frames from bytes, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.sandbox.clock import time_text
from thimble.sandbox.log_frames import LINE_BYTES_MAX, FrameError, FrameSplitter, LineSplitter

INFO_MESSAGE = "[INFO]\t2026-03-02T10:15:31.450Z\t5b1f6c5e-0c57-4d0a-9a0c-7d6b7a1f2c33\tpaid\n"
FRAMES = {
    "a55a0003 00000003 00064c07dde3f50b 6f6b0a": "ok\n",
    "a55a0017 00000004 00064c07dde3f50b 610a620a": "a\nb\n",
    "a55a000f 0000004a 00064c07dde3f50b" + INFO_MESSAGE.encode().hex(): INFO_MESSAGE,
}
TIME_US = 1_772_446_531_450_123


@pytest.mark.parametrize(("hexadecimal", "message"), FRAMES.items())
def test_a_frame_is_one_record_as_it_was_written(hexadecimal: str, message: str) -> None:
    assert FrameSplitter().feed(bytes.fromhex(hexadecimal)) == [(message, TIME_US)]
    assert time_text(TIME_US * 1000) == "2026-03-02T10:15:31.450Z"


@given(st.lists(st.integers(0, 200), max_size=6))
def test_frames_cut_anywhere_give_the_same_records(cuts: list[int]) -> None:
    data = b"".join(bytes.fromhex(text) for text in FRAMES)
    splitter = FrameSplitter()
    found = []
    start = 0
    for cut in [*sorted(cuts), len(data)]:
        found += splitter.feed(data[start:cut])
        start = max(start, cut)
    assert found == [(message, TIME_US) for message in FRAMES.values()]


def test_a_stream_that_is_no_frame_is_refused() -> None:
    with pytest.raises(FrameError, match="0x706c6169"):
        FrameSplitter().feed(b"plain text in place of a frame\n")


TEXTS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))


@given(st.lists(TEXTS, max_size=8), st.integers(1, 9))
def test_lines_cut_anywhere_give_the_same_records(lines: list[str], step: int) -> None:
    data = "".join(line + "\n" for line in lines).encode() + b"rest"
    splitter = LineSplitter()
    found = [line for start in range(0, len(data), step) for line in splitter.feed(data[start : start + step])]
    assert found == lines
    assert splitter.finish() == ["rest"]
    assert splitter.finish() == []


def test_invalid_utf_8_is_replaced() -> None:
    assert LineSplitter().feed(b"a\xffb\n") == ["a\ufffdb"]


@pytest.mark.parametrize("has_newline", [True, False])
def test_a_very_long_line_is_cut(has_newline: bool) -> None:
    splitter = LineSplitter()
    lines = splitter.feed(b"x" * (LINE_BYTES_MAX + 1) + (b"\n" if has_newline else b"")) + splitter.finish()
    assert [len(line) for line in lines] == [LINE_BYTES_MAX, 1]
