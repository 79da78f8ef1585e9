"""Stand-ins: the same calls against the bundle's small modules and against the unmodified ones, in fresh interpreters.

Both interpreters run without site and see nothing but their own folders, as the frozen one does: the one with the
stand-ins has the bundle's interpreted modules and no standard library behind them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import assemble
import bytecode
import contents
import pytest
import relink

CALLS = {
    "orjson": """
import orjson
def refusal(call, *arguments):
    try:
        call(*arguments)
    except ValueError as error:
        return [type(error).__name__, issubclass(type(error), ValueError), error.pos, error.msg]
    except TypeError as error:
        return [type(error).__name__, str(error)]
class Text(str): pass
values = [None, True, 1, -5, 2**63 - 1, 1.5, 1e300, "", "\\u00e9\\U0001f600", [1, [2]], {"a": {"b": [None]}}, ("t",),
          Text("sub")]
answers = [orjson.dumps(value).decode() for value in values]
answers += [orjson.loads(text) for text in (b'{"a":[1,2.5,null]}', '"\\u00e9"', bytearray(b"[]"), memoryview(b"1"))]
answers += [orjson.dumps({"b": 1, "a": {1: 2}}, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()]
answers += [orjson.dumps({"x": orjson.Fragment(b'{"raw":1}')}).decode()]
answers += [orjson.dumps([object()], default=lambda value: "default").decode()]
answers += [refusal(orjson.loads, text) for text in (b"", b"{", b'{"a" 1}', b"\\xff", b"[1,]", b'"\\x01"', "[" * 2000)]
answers += [refusal(orjson.dumps, value) for value in (object(), {1: 2}, b"bytes", "\\ud800", 2**64)]
answers += [orjson.__version__, orjson.JSONEncodeError.__mro__[1].__name__]
""",
    "backports.zstd": """
from backports.zstd import ZstdCompressor, ZstdDecompressor, ZstdError
from backports import zstd
data = bytes(range(256)) * 500 + b"a" * 100000
answers = []
for level in (-7, 1, 3, 19):
    compressor = ZstdCompressor(level=level)
    frame = compressor.compress(data, ZstdCompressor.FLUSH_FRAME)
    answers.append([len(frame), frame[:16].hex(), ZstdDecompressor().decompress(frame) == data])
compressor = ZstdCompressor(level=3)
parts = [compressor.compress(data[:1000]), compressor.compress(data[1000:]), compressor.flush()]
answers.append([len(part) for part in parts])
answers.append([zstd.compress(data).hex()[:64], zstd.compress(b"", 1).hex()])
try:
    ZstdDecompressor().decompress(b"garbage")
except ZstdError as error:
    answers.append(str(error))
""",
    "flpc": r"""
import flpc
import flpc.flpc as engine
def refusal(pattern):
    try:
        engine.compile(pattern)
    except ValueError as error:
        return str(error)
card = engine.compile(r"\b(?<first>\d{4})\d{8}(\d{4})\b")
answers = [engine.sub(card, "$first-$2$$", "x 4111222233334444 y"), engine.search(card, "41112222") is None]
answers += [engine.search(engine.compile("(a+)+$"), "a" * 100000 + "b") is None, refusal("("), refusal("(?=a)")]
""",
    "typing": """
from typing import TYPE_CHECKING, Any, Awaitable, Callable, ClassVar, Coroutine, Final, NoReturn, cast
class Thing:
    LIMIT: Final = 3
    count: ClassVar[int] = 0
    names: Final[list[str]] = []
    def call(self, function: Callable[[int], Any]) -> "Awaitable[NoReturn] | None":
        return None
Alias = Callable[[bytes], Coroutine[Any, Any, None]]
Maybe = Callable[[bytes], None] | None
marker = object()
answers = [TYPE_CHECKING, Thing.LIMIT, Thing.count, Thing.names, cast(int, marker) is marker, cast("list[int]", 5)]
""",
    "importlib": """
import importlib.machinery
import importlib._bootstrap as bootstrap
import sys
import _frozen_importlib
import _frozen_importlib_external as external
spec = importlib.machinery.ModuleSpec("a.b", None, origin="x", is_package=True)
answers = [bootstrap is _frozen_importlib, sys.modules["importlib._bootstrap_external"] is external,
           importlib.machinery.ModuleSpec is bootstrap.ModuleSpec,
           importlib.machinery.PathFinder is external.PathFinder,
           [spec.name, spec.parent, spec.origin, spec.submodule_search_locations],
           [bootstrap.__name__, bootstrap.__package__, external.__name__, external.__package__],
           bootstrap._ModuleLockManager("m").__class__.__name__]
""",
    "__future__": """
import __future__
answers = [hasattr(__future__, "annotations")]
""",
    "yaml": r"""
from yaml.composer import Composer
from yaml.error import MarkedYAMLError
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner
class Resolver:
    def descend_resolver(self, current_node, current_index): pass
    def ascend_resolver(self): pass
    def resolve(self, kind, value, implicit): return kind.__name__
class Loader(Reader, Scanner, Parser, Composer, Resolver):
    def __init__(self, stream):
        Reader.__init__(self, stream); Scanner.__init__(self); Parser.__init__(self); Composer.__init__(self)
def plain(node):
    if isinstance(node, MappingNode): return [[plain(key), plain(value)] for key, value in node.value]
    if isinstance(node, SequenceNode): return [plain(value) for value in node.value]
    return [node.value, node.style]
answers = []
for text in (
    "a: 1\nb: [x, 'y', \"z\\u00e9\"]\nc: |\n  one\n  two\nd: &d {e: 2}\nf: *d\n", "", "- 1\n- \u00e9", "a: [", "\x01",
):
    try:
        node = Loader(text).get_single_node()
        answers.append(None if node is None else plain(node))
    except Exception as error:
        answers.append([type(error).__name__, str(error)])
""",
}

PROGRAM = """
import sys
sys.path[:] = {path!r}
{calls}
sys.path.append({stdlib!r})
for name in [name for name in sys.modules if name.partition(".")[0] in ("typing", "importlib", "enum", "__future__")]:
    if name not in ("importlib._bootstrap", "importlib._bootstrap_external"): del sys.modules[name]
import json
print(json.dumps(answers))
"""


def answers_of(calls: str, path: list[str]) -> object:
    """What the calls give in an interpreter that imports from `path` alone."""
    stdlib = sysconfig.get_path("stdlib")
    text = PROGRAM.format(path=path, calls=calls, stdlib=stdlib)
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", text], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def standin_path(tmp_path_factory) -> list[str]:
    """A folder with what the bundle has: stand-ins, extension modules and optional modules, and nothing else."""
    folder = tmp_path_factory.mktemp("standins")
    files = {}
    for module, path in assemble.standin_modules().items():
        files[path.relative_to(relink.STANDINS).with_suffix(".pyc")] = bytecode.pyc(path, module)
    for modules in contents.OPTIONAL_MODULES.values():
        for module in modules:
            path, base, _ = relink.standard_source(module)
            files[path.relative_to(base).with_suffix(".pyc")] = bytecode.pyc(path, module)
    for extension in ("orjson.orjson", "backports.zstd._zstd", "flpc.flpc"):
        path = assemble.extension_path(extension)
        files[Path(*extension.split(".")).parent / path.name] = path.read_bytes()
    path, base, _ = relink.standard_source("importlib.machinery")
    files[path.relative_to(base).with_suffix(".pyc")] = bytecode.pyc(path, "importlib.machinery")
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return [str(folder)]


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_stand_in_answers_as_the_library_does(standin_path, name):
    real_path = [
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib") + "/lib-dynload",
        sysconfig.get_path("purelib"),
    ]
    real = answers_of(CALLS[name], real_path)
    assert answers_of(CALLS[name], standin_path) == real
    assert real


def test_every_stand_in_has_its_calls():
    modules = {module for module in assemble.standin_modules() if module != "backports"}
    assert modules == set(CALLS)


def test_orjson_leaves_no_stand_in_behind(standin_path):
    """What it put in the way of its extension module is gone afterwards, so that a real `enum` can be imported."""
    calls = """
import orjson
answers = sorted({"enum", "uuid", "dataclasses", "json", "datetime"} & set(sys.modules))
import enum
answers.append(hasattr(enum, "Enum"))
"""
    assert answers_of(calls, standin_path) == [True]


def test_orjson_leaves_modules_alone_that_were_imported_before(standin_path):
    calls = """
import enum
before = enum
import orjson
answers = [sys.modules["enum"] is before]
"""
    assert answers_of(calls, standin_path) == [True]
