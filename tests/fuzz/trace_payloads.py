"""Fuzz target of the tracers' payloads: any body is read or refused, and what is read is what a library reads of it.

    python tests/fuzz/trace_payloads.py [seconds]             random mutations of payloads, in this process
    python tests/fuzz/trace_payloads.py --atheris [libFuzzer options]   guided by coverage, needs the package

The first byte of an input chooses the version. A surprise that this finds becomes a named case in tests/core/traces.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    atheris: Any = None
    ROOT = Path(__file__).resolve().parent.parent.parent
    sys.path[:0] = [str(ROOT)] if "thimble" in sys.modules else [str(ROOT), str(ROOT / "src")]
    if "--atheris" in sys.argv:
        import atheris

        with atheris.instrument_imports(include=["thimble.core"]):
            import thimble.core.traces.decode  # noqa: F401  # instrumented while it is imported

import msgpack

from tests.fuzz import driver
from thimble.core.errors import InputError
from thimble.core.traces.decode import read_v04, read_v05
from thimble.core.traces.facts import PRIORITY

SPAN = {
    "service": "orders", "name": "aws.lambda", "resource": "dd-tracer-serverless-span", "trace_id": 2**64 - 1,
    "span_id": 2**32, "parent_id": 0, "start": 2**60, "duration": -1, "error": 1,
    "meta": {"request_id": "r1", "aws.durable.execution_id": "é", "aws.durable.execution_name": None},
    "metrics": {PRIORITY: -1.0, "n": 3, "m": 2**63}, "type": "web", "meta_struct": {"a": b"\xff", "b": [1, 2]},
    "span_links": [{"trace_id": 1, "span_id": 2, "attributes": {"a": "b"}, "flags": 1, "tracestate": "x"}],
    "span_events": [{"time_unix_nano": 5, "name": "e", "attributes": {
        "s": {"type": 0, "string_value": "q"}, "b": {"type": 1, "bool_value": True}, "i": {"type": 2, "int_value": 1},
        "a": {"type": 4, "array_value": {"values": [{"type": 3, "double_value": 1.5}]}}}}],
    "other": [{"deep": [[], {}, msgpack.ExtType(5, b"abc")]}],
}  # fmt: skip
INDEXED = [0, 1, 0, 7, 8, 0, 1, -5, 1, {2: 3}, {4: 1.0, 0: 3}, 0]
SEEDS = (
    msgpack.packb([[SPAN, {"parent_id": 9}], [], [{"parent_id": 3, "metrics": {PRIORITY: 2}}]]),
    msgpack.packb([list(SPAN.values())[:15]]),
    msgpack.packb([["", "aws.lambda", "request_id", "r1", PRIORITY], [[INDEXED, INDEXED], []]]),
)
HEADERS = b"\x80\x90\xa0\xc0\xc1\xc2\xc3\xc4\xc6\xc7\xca\xcb\xcc\xcf\xd0\xd3\xd4\xd8\xd9\xdb\xdc\xdd\xde\xdf\xe0\xff"


def as_bytes(_: int, data: bytes) -> bytes:
    """An extension type as it is."""
    return data


def one_input(data: bytes) -> None:
    """Check one payload; raises when a promise is broken."""
    if not data:
        return
    is_v04, body = data[0] & 1 == 0, data[1:]
    try:
        facts = read_v04(body) if is_v04 else read_v05(body)
    except InputError:
        return
    reader = msgpack.Unpacker(
        raw=True, strict_map_key=False, object_pairs_hook=list, ext_hook=as_bytes, max_buffer_size=len(body)
    )
    reader.feed(body)
    try:
        value = reader.unpack()
    except ValueError as error:
        if "timestamp" in str(error):  # the library looks into this extension type
            return
        raise
    chunks = value if is_v04 else value[1]
    assert facts.span_count == sum(map(len, chunks)), "the number of spans is wrong"
    assert len(facts.kept_requests) + len(facts.contexts) <= 2 * facts.span_count


def random_input(random: Random) -> bytes:
    """A payload with a few bytes changed, doubled or lost."""
    version = random.randrange(2)
    data = bytearray(random.choice(SEEDS[:2] if version == 0 else SEEDS[2:]))
    for _ in range(random.randrange(5)):
        at = random.randrange(len(data))
        what = random.randrange(4)
        if what == 0:
            data[at] = random.randrange(256)
        elif what == 1:
            data[at] = random.choice(HEADERS)
        elif what == 2:
            data[at:at] = data[at : at + random.randrange(1, 30)]
        else:
            del data[at : at + random.randrange(1, 9)]
        if not data:
            break
    return bytes([version]) + bytes(data)


if __name__ == "__main__":
    driver.main(one_input, random_input, atheris)
