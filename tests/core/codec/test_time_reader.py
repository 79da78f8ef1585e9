"""The reader of date-times that remembers the last second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from thimble.core.codec.rfc3339 import TimeReader, parse_time_ms

SECONDS = st.sampled_from(["2025-03-14T09:30:45", "2025-03-14T09:30:46", "1969-12-31T23:59:59", "2026-02-29T00:00:00",
                           "2016-12-31T23:59:60", "2025-03-14 09:30:45", "2025-03-14T09:30:4x"])  # fmt: skip
ENDS = st.sampled_from(["Z", ".000Z", ".123Z", ".999Z", ".12Z", ".1234Z", ".123z", ".12+Z", ".²34Z", ".٣45Z", ". 12Z",
                        ".1_2Z", ".123+01:00", "+01:00", ".-12Z", ""])  # fmt: skip


@given(st.lists(st.builds(lambda second, end: second + end, SECONDS, ENDS), min_size=1, max_size=8))
def test_a_reader_that_remembers_answers_as_one_that_does_not(texts: list[str]) -> None:
    reader = TimeReader()
    assert [reader.read(text) for text in texts] == [parse_time_ms(text) for text in texts]
