"""Fuzz target of the HTTP parser: any bytes give events or one `ProtocolError`, the same however they are cut.

    python tests/fuzz/http_parser.py [seconds]             random mutations of messages, in this process
    python tests/fuzz/http_parser.py --atheris [libFuzzer options]   guided by coverage; needs `pip install atheris`

The first byte of an input chooses the side and the cuts, the rest are the bytes on the connection. A crash that this
finds becomes a named case in tests/http.
"""

from __future__ import annotations

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

        with atheris.instrument_imports(include=["thimble.http"]):
            import thimble.http.parser  # noqa: F401  # instrumented while it is imported

from tests.fuzz import driver
from tests.http.messages import FRAGMENTS, cut, read
from tests.http.test_parser_llhttp import compare


def one_input(data: bytes) -> None:
    """Check one input; raises when a promise is broken."""
    if not data:
        return
    is_request = data[0] & 1 == 1
    step = data[0] >> 1
    message = data[1:]
    whole = read([message], is_request)
    pieces = cut(message, range(0, len(message), step)) if step else [message]
    assert read(pieces, is_request) == whole, "the cuts made a difference"
    taken = sum(len(event[1]) for event in whole if event[0] == "body")  # type: ignore[arg-type]
    assert taken <= len(message), "more body than bytes"
    compare(message, is_request)


def random_input(random: Random) -> bytes:
    """Fragments of messages in any order, then a few bytes changed, doubled or lost."""
    data = bytearray([random.randrange(256)])
    for _ in range(random.randrange(1, 14)):
        data += random.choice(FRAGMENTS)
    for _ in range(random.randrange(4) if len(data) > 8 else 0):
        at = random.randrange(len(data))
        what = random.randrange(3)
        if what == 0:
            data[at] = random.randrange(256)
        elif what == 1:
            data[at:at] = data[at : at + random.randrange(1, 9)]
        else:
            del data[at : at + random.randrange(1, 4)]
    return bytes(data)


def run(seconds: float, seed: int) -> int:
    """As `driver.run`, of this target."""
    return driver.run(one_input, random_input, seconds, seed)


if __name__ == "__main__":
    driver.main(one_input, random_input, atheris)
