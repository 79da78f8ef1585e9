"""Strategies: telemetry bodies as the platform writes them, as other writers may, and damaged ones."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "plain line\n", "\t[INFO] x", "", "{", ' {"level":"error"}', '\n{"ddtags":"a:b","x":1}', "MemoryError",
        "memory",
        'he said "no" \\ /', "signal: killed", "x" * 70 + "é" + "y" * 70, "😀" * 9, "\x00\x1f\x7f\u2028", "}]", "[1,2]",
        '{"message":{"ddtags":"k:v","level":"warn"},"level":"warn"}',
    ]
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.sampled_from(
    ["0", "-0", "1", "-17", "00", "01", "1.", ".5", "-", "1.5", "1.50", "-0.0", "0.001", "0.0001", "0.00001", "0.0010",
     "1e5", "1E+2", "1e-7", "1e400", "123456789012345678", "1234567890123456789", "12345678901234567890123",
     "123456789012.345", "1234567890123.4567", "0.1234567890123456789", "9" * 310, "100.0", "-1.25", "1_0", "+1", "0x1"]
)  # fmt: skip
STRINGS = st.sampled_from(
    ['"a"', '""', '"\\u00e9"', '"\\u0065rror"', '"\\n\\t\\\\ \\""', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\/"',
     '"ddtags"', '"error"', '"WARN"', '"Critical"', '"\u0131nfo"', '"memory"', '"x',
     '"\\x"', '"\\u12"', '"é\x7f"', '"a\x01"', '"\x0a"', '"\\u001f\\u001F"']
)  # fmt: skip
KEYS = st.sampled_from(
    ['"level"', '"status"', '"message"', '"requestId"', '"AWSRequestId"', '"executionArn"', '"ddtags"', '"a"', '"b"',
     '"\\u0061"', '""', '"é"', "a"]
)  # fmt: skip
SPACES = st.sampled_from(["", "", "", "", " ", "\n", "\t ", "\x0b"])


def _object(members: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{space}{key}{space}:{space}{value}{space}" for space, key, value in members) + "}"


RAW_OBJECTS = st.recursive(
    st.lists(
        st.tuples(
            SPACES, KEYS, NUMBERS | STRINGS | STRINGS | st.sampled_from(["true", "false", "null", "tru", "{}", "[]"])
        ),
        max_size=4,
    ).map(_object),
    lambda inner: st.one_of(
        st.lists(st.tuples(SPACES, KEYS, inner | NUMBERS), min_size=1, max_size=4).map(_object),
        st.lists(inner, max_size=2).map(lambda items: '{"list":[' + " ,".join(items) + "]}"),
    ),
    max_leaves=4,
)
"""JSON objects written by hand: every spelling of numbers and strings, mistakes among them."""

RAW_MARK = "@raw@"

TIMES = st.sampled_from(
    ["2025-03-14T09:30:45.123Z", "1969-12-31T23:59:59.9Z", "2026-03-02T11:15:31.402123+01:00", "2016-12-31T23:59:60Z",
     "2026-02-29T00:00:00Z", "yesterday", "2026-03-02t10:15:31z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"]
)  # fmt: skip
OBJECTS = st.fixed_dictionaries(
    {"message": VALUES},
    optional={"requestId": TEXTS, "level": TEXTS, "ddtags": TEXTS, "status": st.sampled_from(["warn", "Fatal", 3])},
)
PLATFORM = st.sampled_from(
    [
        ("platform.start", {"requestId": "r1"}),
        ("platform.start", {"requestId": "r2", "version": "7"}),
        ("platform.runtimeDone", {"requestId": "r1", "status": "success", "metrics": {"durationMs": 3.25}}),
        ("platform.runtimeDone", {"requestId": "r2", "status": "timeout"}),
        ("platform.report", {"requestId": "r1", "status": "success", "metrics": {"durationMs": 5}}),
        ("platform.end", {}),
        ("platform.initStart", {"initializationType": "on-demand", "phase": "init"}),
    ]
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 4)) == 0:
        kind, record = draw(PLATFORM)
        return {"time": "2025-03-14T09:30:45.123Z", "type": kind, "record": record}
    items = [
        ("time", draw(TIMES) if draw(st.integers(0, 3)) == 0 else "2025-03-14T09:30:45.123Z"),
        ("type", draw(st.sampled_from(["function", "function", "function", "extension", "functionx"]))),
        ("record", draw(st.one_of(TEXTS, TEXTS, TEXTS, OBJECTS, VALUES))),
    ]
    if draw(st.integers(0, 9)) == 0:
        items.append(("extra", draw(VALUES)))
    if draw(st.integers(0, 4)) == 0:
        items = draw(st.permutations(items))
    return dict(items)


@st.composite
def written(draw: st.DrawFn, event: dict[str, Any], takes_raw: bool) -> bytes:
    """One event as one of several writers would write it, or with a record that none would write."""
    ascii_only = draw(st.booleans())
    separators = draw(st.sampled_from([(",", ":"), (",", ":"), (" , ", " :\n")]))
    if takes_raw and draw(st.booleans()) and not event["type"].startswith("platform"):
        raw = draw(RAW_OBJECTS)
        if draw(st.booleans()):
            event = {**event, "record": draw(SPACES) + raw + draw(SPACES)}
        else:
            event = {**event, "record": RAW_MARK}
    text = json.dumps(event, ensure_ascii=ascii_only, separators=separators)
    if event.get("record") == RAW_MARK:
        text = text.replace(f'"{RAW_MARK}"', raw)
    if draw(st.integers(0, 2)) == 0:
        text = text.replace("/", "\\/").replace("e", "\\u0065", 1).replace("<", "\\u003C")
    return text.encode("utf-8", "surrogatepass")


@st.composite
def batches(draw: st.DrawFn, takes_raw: bool = False) -> list[bytes]:
    return [draw(written(event, takes_raw)) for event in draw(st.lists(events(), max_size=6))]


def joined(batch: list[bytes]) -> bytes:
    return b"[" + b",".join(batch) + b"]"


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A body with some bytes changed, removed, put in, doubled or cut off."""
    body = bytearray(joined(draw(batches(takes_raw=True))))
    pieces = st.sampled_from(
        [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\x00", b"\n", b"\xff", b"\xc3", b"\\ud83d", b"\\u00", b" ",
         b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":']
    )  # fmt: skip
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(body)))
        action = draw(st.integers(0, 3))
        if action == 0:
            body[place:place] = draw(pieces)
        elif action == 1:
            del body[place : place + draw(st.integers(1, 4))]
        elif action == 2:
            body[place : place + 1] = draw(pieces)
        else:
            del body[place:]
    return bytes(body)
