"""Fuzz target of the log path: any bodies give payloads that are JSON, within their limits, and never an exception.

    python tests/fuzz/telemetry_bodies.py [seconds]             random mutations of bodies, in this process
    python tests/fuzz/telemetry_bodies.py --atheris [libFuzzer options]   guided by coverage, needs the package

The first byte of an input chooses the options, the second where the rest is cut into two bodies. A surprise that this
finds becomes a named case in tests/core/logs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    atheris: Any = None
    ROOT = Path(__file__).resolve().parent.parent.parent
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    if "--atheris" in sys.argv:
        import atheris

        with atheris.instrument_imports(include=["thimble.core", "thimble.kernels"]):
            import thimble.core.logs.processor  # noqa: F401  # instrumented while it is imported

from tests.core.logs.support import Path as LogPath
from tests.core.logs.support import compiled_rules, facts, rule
from tests.fuzz import driver
from thimble.core.lifecycle.end_call import EndCall
from thimble.core.logs.durable import DurableContext
from thimble.core.logs.options import LineOptions

PAYLOAD_BYTES_MAX = 1200

EVENT = b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":'
FRAGMENTS = (
    b"[", b"]", b",", b"{", b"}", b'"', b"\\", b":", b" ", b"\n", b"\x00", b"\xff", b"\xc3\xa9", b"\\u00e9", b"\\ud83d",
    b"\\ude00", b"null", b"true", b"12", b"-0", b"1e400", b"0.1", b"NaN", EVENT, EVENT + b'"plain"},',
    EVENT + b'"{\\"level\\":\\"warn\\",\\"ddtags\\":\\"a:b\\"}"},',
    EVENT + b'{"message":{"ddtags":"k:v"},"level":30}},',
    EVENT + b'{"requestId":"r2","executionArn":"x/durable-execution/n/i"}},', EVENT + b'"[DEBUG] MemoryError"},',
    EVENT + b'"' + b"x" * 900 + b'"},', b'{"time":"2025-03-14T09:30:45Z","type":"extension","record":"e"},',
    b'{"time":"2025-03-14T09:30:45Z","type":"platform.start","record":{"requestId":"r1"}},',
    b'{"time":"2025-03-14T09:30:45Z","type":"platform.runtimeDone","record":{"requestId":"r1","status":"error",'
    b'"metrics":{"durationMs":3003.4}}},',
    b'{"time":"2025-03-14T09:30:45Z","type":"platform.report","record":{"requestId":"r1","status":"success","metrics":'
    b'{"durationMs":1,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":128}}},',
    b'{"time":"2025-03-14T09:30:45Z","type":"platform.initStart","record":{"initializationType":"on-demand",'
    b'"phase":"init","runtimeVersion":"DurableFunction"}},',
    b'{"time":"x","type":"platform.logsDropped","record":{"reason":"r","droppedRecords":1,"droppedBytes":2}},',
    b'"record":', b'"type":"function",', b"}]",
)  # fmt: skip

RULES = compiled_rules(rule("mask_sequences", "e+", "$0$0"), rule("exclude_at_match", "^x"))


def options(choice: int) -> LineOptions:
    """One of the ways to ask for lines."""
    return LineOptions(
        RULES if choice & 1 else None,
        choice >> 1 & 3,
        ("all", "report", "off", "all")[choice >> 3 & 3],
        ("errors", "slow:2") if choice & 32 else (),
        2 if choice & 64 else 0,
    )


def one_input(data: bytes) -> None:
    """Check one input; raises when a promise is broken."""
    if len(data) < 2:
        return
    path = LogPath(
        managed_instance=data[0] & 128 != 0,
        entries_max=3,
        payload_bytes_max=PAYLOAD_BYTES_MAX,
        options=options(data[0]),
    )
    body = data[2:]
    cut = len(body) * data[1] // 255
    for part in (body[:cut], body[cut:]):
        path.processor.ingest(part, 0)
        path.processor.on_traces(facts("r2", contexts={"r1": DurableContext("n", "i", 1, "DONE")}), "r1")
    path.processor.on_end_call("r1", EndCall("", has_error=False, has_server_error=True, is_trace_kept=True))
    path.processor.release_held()
    for payload in path.aggregator.take():
        assert len(payload.body) <= PAYLOAD_BYTES_MAX, "a payload is too large"
        entries = json.loads(payload.body)
        assert len(entries) == payload.item_count <= 3, "the count is wrong"
        for entry in entries:
            assert isinstance(entry["message"]["message"], str)
            assert isinstance(entry["message"]["lambda"]["request_id"], str | None)
            assert isinstance(entry["message"]["timestamp"], int)


def random_input(random: Random) -> bytes:
    """Fragments of bodies in any order, then a few bytes changed, doubled or lost."""
    data = bytearray([random.randrange(256), random.randrange(256), 0x5B])
    for _ in range(random.randrange(1, 14)):
        data += random.choice(FRAGMENTS)
    for _ in range(random.randrange(4)):
        at = random.randrange(2, len(data))
        what = random.randrange(3)
        if what == 0:
            data[at] = random.randrange(256)
        elif what == 1:
            data[at:at] = data[at : at + random.randrange(1, 9)]
        elif len(data) > 12:
            del data[at : at + random.randrange(1, 4)]
    return bytes(data)


def run(seconds: float, seed: int) -> int:
    """As `driver.run`, of this target."""
    return driver.run(one_input, random_input, seconds, seed)


if __name__ == "__main__":
    driver.main(one_input, random_input, atheris)
