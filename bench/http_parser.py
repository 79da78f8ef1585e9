"""Our HTTP parser against llhttp (PyPI `httptools`): CPU per request head and body, and what each costs to load.

The design takes llhttp unless a measurement says otherwise; this is the measurement. Both sides give the same things
for the same bytes: method, target, lower-case headers as text, how the body ends, the body. The llhttp side is the
least Python that does so over `httptools.parser.parser`, which is loaded past the package, as the bundle would.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from bench.harness import ROOT, Bench, Measurement, Unavailable

BODY_BYTES = 2_000

PROBE = """
import sys, time, posix
sys.path[:0] = [{place!r}, {root!r}]
def private_kb():
    fd = posix.open("/proc/self/smaps_rollup", posix.O_RDONLY)
    text = posix.read(fd, 4096).decode()
    posix.close(fd)
    return int(text.split("Private_Dirty:")[1].split()[0])
import array, struct, typing, os
from bench.http_messages import REQUEST, expected
known, private, begin = set(sys.modules), private_kb(), time.process_time_ns()
{load}
load_ns, private = time.process_time_ns() - begin, private_kb() - private
modules = [name for name in sys.modules if name not in known]
assert read_one(REQUEST) == expected(), read_one(REQUEST)
best = 1e9
for _ in range({rounds}):
    begin = time.process_time_ns()
    for _ in range(500):
        read_one(REQUEST)
    best = min(best, (time.process_time_ns() - begin) / 500)
print(repr([load_ns, private, best, modules]).replace("'", '"'))
"""

OURS = """
from thimble.http.parser import MessageParser
def read_one(data):
    parser = MessageParser(True)
    parser.feed(data)
    head = parser.next_head()
    body = parser.next_piece()
    assert parser.is_complete
    return head.method, head.target, head.headers, head.keeps_alive, body
"""

LLHTTP = """
import importlib.util, importlib.machinery
for name in ("httptools", "httptools.parser"):
    sys.modules[name] = type(sys)(name)
sys.modules["httptools"].__path__ = [{folder!r}]
sys.modules["httptools.parser"].__path__ = [{folder!r} + "/parser"]
from httptools.parser.parser import HttpRequestParser
class Collector:
    __slots__ = ("target", "headers", "body", "is_complete")
    def __init__(self):
        self.target, self.headers, self.body, self.is_complete = b"", [], b"", False
    def on_url(self, url):
        self.target += url
    def on_header(self, name, value):
        self.headers.append((name.lower().decode("latin-1"), value.decode("latin-1")))
    def on_body(self, body):
        self.body += body
    def on_message_complete(self):
        self.is_complete = True
def read_one(data):
    collector = Collector()
    parser = HttpRequestParser(collector)
    parser.feed_data(data)
    assert collector.is_complete
    return (parser.get_method().decode(), collector.target.decode("latin-1"), collector.headers,
            parser.should_keep_alive(), collector.body)
"""


def sample(load: str, place: str, rounds: int) -> tuple[float, float, float, list[str]]:
    """Load in ms, private dirty KB, microseconds per request, and modules loaded, of one fresh process."""
    code = PROBE.format(place=place, root=str(ROOT), load=load, rounds=rounds)
    result = subprocess.run([sys.executable, "-B", "-OO", "-c", code], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip()[-800:])
    load_ns, private_kb, best_ns, modules = json.loads(result.stdout)
    return load_ns / 1e6, private_kb, best_ns / 1e3, modules


def measure(bench: Bench) -> Iterator[Measurement]:
    try:
        import httptools
    except ImportError as error:
        raise Unavailable("httptools is not installed") from error
    folder = httptools.__file__.rpartition("/")[0]
    sides = {
        "compiled": (OURS, str(ROOT / "out" / "compiled")),
        "pure": (OURS, str(ROOT / "src")),
        "llhttp": (LLHTTP.format(folder=folder), ""),
    }
    if not (ROOT / "out" / "compiled" / "thimble").is_dir():
        raise Unavailable("out/compiled is not built: make compile")
    best: dict[str, tuple[float, float, float]] = {}
    for _ in range(bench.rounds(6)):
        for name, (load, place) in sides.items():
            load_ms, private_kb, request_us, _ = sample(load, place, 20)
            old = best.get(name, (load_ms, private_kb, request_us))
            best[name] = (min(old[0], load_ms), min(old[1], private_kb), min(old[2], request_us))
    for name, (load_ms, private_kb, request_us) in best.items():
        yield Measurement(f"request_{name}", request_us, "us", "CPU per request of 8 headers and 2,000 bytes")
        note = "the whole compiled group" if name == "compiled" else "the parser and what it imports"
        yield Measurement(f"load_{name}", load_ms, "ms", f"CPU to import {note}")
        yield Measurement(f"private_{name}", private_kb, "KB", "private dirty memory of that import")
    yield Measurement("request_ratio", best["compiled"][2] / best["llhttp"][2], "x", "compiled to llhttp, per request")
