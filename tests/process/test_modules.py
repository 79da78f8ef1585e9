"""What is loaded when `/next` is sent, and when the process waits for its first event: two fixed lists per form.

The lists lie in `modules/`. A module that appears in neither by intention is cold start given away; after a change that
is meant, write them anew with `THIMBLE_WRITE_MODULES=1 python -m pytest tests/process/test_modules.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.helpers.build_tools import import_build_tool

from .extension import FROZEN, ROOT, Program
from .world import World

LISTS = Path(__file__).with_name("modules")
RECORDER = str(Path(__file__).with_name("module_recorder.py"))
NEVER = (
    "asyncio", "logging", "re", "json", "threading", "dataclasses", "enum", "collections", "functools", "contextlib",
    "socket", "ssl", "_ssl", "subprocess", "datetime", "inspect", "urllib", "email", "http", "warnings", "abc",
)  # fmt: skip
"""Top-level names that no list may hold, whoever writes it."""
LAYER_LIBRARIES = "/opt/thimble/lib/"
STAND_INS = ROOT / "build" / "standins"
EXTENSIONS = ("orjson.orjson", "backports.zstd._zstd")


def libraries_of_the_bundle(folder: Path) -> Path:
    """A folder with the stand-ins and extension modules that the bundle ships, so that both load the same."""
    assemble = import_build_tool("assemble")
    for path in assemble.standin_modules().values():
        place = folder / path.relative_to(STAND_INS)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    for extension in EXTENSIONS:
        path = assemble.extension_path(extension)
        (folder.joinpath(*extension.split(".")).parent / path.name).symlink_to(path)
    return folder


async def recorded(program: Program, folder: Path) -> dict[str, list[str]]:
    """`next` and `idle`: what is loaded then, beyond the bare interpreter, as the process itself says."""
    reading, writing = os.pipe()
    libraries = str(libraries_of_the_bundle(folder))
    command = [sys.executable, "-I", "-S", RECORDER, program.variables["PYTHONPATH"], libraries, str(writing)]
    stages: dict[str, list[str]] = {}
    async with World(Program(program.form, command, {}, keeps_descriptors=[writing])) as world:
        await world.start()
        os.close(writing)
        stream = asyncio.StreamReader(limit=1 << 20)
        protocol = asyncio.StreamReaderProtocol(stream)
        with os.fdopen(reading, "rb") as file:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, file)
            async with asyncio.timeout(10):
                while len(stages) < 2:
                    stage, *names = (await stream.readline()).decode().split()
                    stages[stage] = names
            transport.close()
    return stages


async def traced(program: Program, trace: Path) -> dict[str, list[str]]:
    """`next` and `idle`: the files of the layer opened by then, as the kernel saw it."""
    calls = "trace=open,openat,sendto,write,epoll_wait,epoll_pwait"
    command = ["strace", "-f", "-qq", "-s", "300", "-e", calls, "-o", str(trace), *program.command]
    opened: set[str] = set()
    stages: dict[str, list[str]] = {}
    async with World(Program(program.form, command, program.variables, program.binds)) as world:
        await world.start()
        async with asyncio.timeout(10):
            while "epoll_" not in trace.read_text(encoding="utf-8", errors="replace"):
                await asyncio.sleep(0.02)  # another process writes the file
        world.api.send({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 0})
        await world.extension.exit()
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if "GET /2020-01-01/extension/event/next" in line:
            stages.setdefault("next", sorted(opened))
        elif "epoll_" in line:
            stages.setdefault("idle", sorted(opened))
        elif LAYER_LIBRARIES in line and ") = -1" not in line and "O_DIRECTORY" not in line:
            opened.add(line.partition(LAYER_LIBRARIES)[2].partition('"')[0])
    return {stage: sorted(map(without_platform, files)) for stage, files in stages.items()}


def without_platform(file: str) -> str:
    """`a.cpython-311-x86_64-linux-gnu.so` as `a.so`: the lists hold on every architecture."""
    base, dot, _ = file.partition(".cpython-")
    return f"{base}.so" if dot else file


def compared(stage: str, form: str, names: list[str]) -> str:
    """What differs between the list on file and what was found; empty when nothing does."""
    path = LISTS / f"{stage}.{form}.txt"
    if os.environ.get("THIMBLE_WRITE_MODULES"):
        path.write_text("\n".join(names) + "\n", encoding="utf-8")
    expected = path.read_text(encoding="utf-8").split()
    added = sorted(set(names) - set(expected))
    gone = sorted(set(expected) - set(names))
    return f"{stage}: more than {path.name} says: {added}; less: {gone}" if added or gone else ""


async def test_each_stage_loads_what_its_list_says(program: Program, tmp_path: Path) -> None:
    stages = await (traced(program, tmp_path / "trace") if program.form == FROZEN else recorded(program, tmp_path))
    assert set(stages) == {"next", "idle"}
    differences = [compared(stage, program.form, stages[stage]) for stage in ("next", "idle")]
    assert not any(differences), "\n".join(differences)


@pytest.mark.parametrize("path", sorted(LISTS.glob("*.txt")), ids=lambda path: path.name)
def test_no_list_holds_a_module_that_costs_more_than_the_rest_together(path: Path) -> None:
    names = {name.replace("/", ".").split(".")[0] for name in path.read_text(encoding="utf-8").split()}
    assert names.isdisjoint(NEVER)


@pytest.mark.parametrize("form", ["pure", "compiled"])
def test_stage_0_imports_itself_and_sockets_only(form: str) -> None:
    names = (LISTS / f"next.{form}.txt").read_text(encoding="utf-8").split()
    assert set(names) <= {"thimble", "thimble.boot", "_socket", "select"}
