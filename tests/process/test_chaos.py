"""A defect in any function of stage 1, one after the other: no invocation notices.

Whatever raises, the extension must keep answering `/next` before the function's deadline, must not end on its own, must
answer or refuse whoever calls its ports, and must be gone in time when the sandbox is shut down. What it may lose is
telemetry.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.build_tools import import_build_tool

from . import events, local_http, namespaces
from .extension import Program
from .world import World

SABOTEUR = str(Path(__file__).with_name("saboteur.py"))
TIMEOUT_MS = 1000
BUSY_MACHINE_MS = 500
"""What the others on this machine may add to the extension's own margin before the deadline; a hang adds more."""
CALL_TIMEOUT_S = 1.0
"""How long a tracer in the function is willing to wait for us."""
BESIDE_EACH_OTHER = 8

forms = import_build_tool("forms")
STAGE_1 = [*forms.group_modules(), "thimble.kernels.log_batch_py"]


def functions_of(module: str) -> list[str]:
    """`module:function` and `module:Class.method` of everything defined at the top of a module."""
    source = forms.SOURCE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.ClassDef):
            inner = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            names.extend(f"{node.name}.{item.name}" for item in inner)
    return [f"{module}:{name}" for name in names]


def part_of(module: str) -> str:
    """`core`, `http` ...; `app` for what lies beside the packages."""
    return module.split(".")[1]


class Defect(AssertionError):
    """What the function, or the platform, noticed."""


async def sabotaged_run(program: Program, target: str, error: str) -> None:
    """Two invocations of a function with a tracer, and the shutdown, beside a sabotaged extension.

    Raises:
        Defect: Somebody noticed.
    """
    broken = Program(program.form, [sys.executable, SABOTEUR, target, error], program.variables)
    async with World(broken) as world:
        await world.start()
        for number in range(2):
            await invocation(world, number)
        if world.extension.exit_code is not None:
            raise Defect(f"the extension ended on its own with {world.extension.exit_code}")
        world.api.send(events.shutdown())
        began_s = time.monotonic()
        try:
            await world.extension.exit(2.0 + BUSY_MACHINE_MS / 1000)
        except TimeoutError:
            raise Defect(f"still there {time.monotonic() - began_s:.1f} s after SHUTDOWN") from None
        if len(world.own_lines()) > 12:
            raise Defect(f"{len(world.own_lines())} lines in the customer's log")


async def invocation(world: World, number: int) -> None:
    request_id = events.new_request_id()
    world.api.send(events.invoke(request_id, TIMEOUT_MS))
    began_s = time.monotonic()
    await tracer_call(local_http.LIFECYCLE, "/lambda/start-invocation")
    await telemetry([events.start(request_id), events.function_line(f"line {number}"), events.function_line({"a": 1})])
    await tracer_call(local_http.TRACE_AGENT, "/v0.4/traces")
    await telemetry([events.runtime_done(request_id)])
    try:
        await world.api.wait_for_next(number + 2, began_s + (TIMEOUT_MS + BUSY_MACHINE_MS) / 1000 - time.monotonic())
    except TimeoutError:
        raise Defect(f"invocation {number + 1} ran into its time-out") from None


async def tracer_call(port: int, path: str) -> None:
    """A client library's call: any answer will do, and so will a refusal; only silence harms the function."""
    try:
        await local_http.call(port, "POST", path, b"{}", timeout_s=CALL_TIMEOUT_S)
    except TimeoutError:
        raise Defect(f"port {port} does not answer {path}") from None
    except OSError:
        return


async def telemetry(batch: list[events.Event]) -> None:
    with suppress(OSError, TimeoutError):
        await local_http.post_events(batch, CALL_TIMEOUT_S)


def noticed(runs: dict[str, Callable[[], Coroutine[Any, Any, None]]]) -> str:
    """Run several in threads, each in a network namespace of its own; what was noticed, as lines of `name: text`."""

    def one(name: str) -> str:
        with namespaces.network_namespace():
            try:
                asyncio.run(runs[name]())
            except (Defect, TimeoutError) as defect:
                return "\n".join([f"{name}: {defect}", *getattr(defect, "__notes__", [])])
        return ""

    with ThreadPoolExecutor(BESIDE_EACH_OTHER) as pool:
        return "\n".join(text for text in pool.map(one, runs) if text)


def needs_source(program: Program) -> None:
    if program.form != "pure":
        pytest.skip("functions of a compiled module cannot be replaced")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("part", sorted({part_of(module) for module in STAGE_1}))
def test_a_defect_in_any_function_harms_no_invocation(program: Program, part: str) -> None:
    needs_source(program)
    targets = [target for module in STAGE_1 if part_of(module) == part for target in functions_of(module)]
    runs = {target: lambda target=target: sabotaged_run(program, target, "RuntimeError") for target in targets}
    harm = noticed(runs)
    assert not harm, harm


@pytest.mark.timeout(180)
def test_a_module_that_cannot_be_imported_harms_no_invocation(program: Program) -> None:
    needs_source(program)
    modules = [*STAGE_1, "thimble.kernels.log_batch", "orjson", "select", "backports.zstd", "zlib"]
    runs = {name: lambda name=name: sabotaged_run(program, f"import:{name}", "ImportError") for name in modules}
    harm = noticed(runs)
    assert not harm, harm


@pytest.mark.parametrize("error", ["MemoryError", "SystemExit", "KeyboardInterrupt", "RecursionError", "OSError"])
def test_any_kind_of_error_is_survived(program: Program, error: str) -> None:
    needs_source(program)
    targets = [
        "thimble.app:run",
        "thimble.app:App.__init__",
        "thimble.reactor.loop:Loop.turn",
        "thimble.core.logs.processor:LogProcessor.ingest",
        "thimble.shell.flusher:Flusher.flush",
        "thimble.http.client:Client.request",
    ]
    runs = {target: lambda target=target: sabotaged_run(program, target, error) for target in targets}
    harm = noticed(runs)
    assert not harm, harm


def test_every_function_of_stage_1_is_on_the_list() -> None:
    targets = [target for module in STAGE_1 for target in functions_of(module)]
    assert len(targets) > 200
    assert "thimble.shell.flusher:Flusher.flush" in targets
    assert len(targets) == len(set(targets))


def test_the_run_notices_an_extension_that_asks_for_nothing(program: Program) -> None:
    """The check itself: a process that only registers and asks once must not pass."""

    async def lazy() -> None:
        async with World(program) as world:
            await world.start()
            world.extension.stop()
            await invocation(world, 0)

    assert "does not answer" in noticed({"lazy": lazy})
