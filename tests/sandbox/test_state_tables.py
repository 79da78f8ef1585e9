"""Every cell of the two state tables, and the single slot for a waiting `next`."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.sandbox.support import run
from thimble.sandbox import states
from thimble.sandbox.extension_side import EXTENSIONS_MAX, Extension, ExtensionRegistry
from thimble.sandbox.runtime_side import Invocation, RuntimeSide, clean_error_type
from thimble.sandbox.states import ApiRefusal, InvalidTransition

# Rows: state. Columns: register, next, init_error, exit_error. `-` is refused.
EXTENSION_CELLS = """
Started     Registered  -      -          -
Registered  -           Ready  InitError  ExitError
Ready       -           -      -          ExitError
Running     -           Ready  -          ExitError
InitError   -           -      InitError  -
ExitError   -           -      -          ExitError
"""
ACTIONS = ("register", "next", "init_error", "exit_error")
CELLS = [
    (row.split()[0], action, target)
    for row in EXTENSION_CELLS.strip().splitlines()
    for action, target in zip(ACTIONS, row.split()[1:], strict=True)
]


@pytest.mark.parametrize(("state", "action", "target"), CELLS)
def test_every_cell_of_the_extension_table(state: str, action: str, target: str) -> None:
    extension = Extension("datadog-agent", is_external=True)
    extension.state = state
    if target == "-":
        with pytest.raises(InvalidTransition):
            extension.act(action)
        assert extension.state == state
    else:
        extension.act(action)
        assert extension.state == target


RUNTIME_ALLOWED = {
    ("Started", "next"),
    ("Started", "init_error"),
    ("Started", "restore_next"),
    ("RestoreReady", "release"),
    ("Restoring", "next"),
    ("Restoring", "restore_error"),
    ("Ready", "release"),
    ("Running", "next"),
    ("Running", "response"),
    ("Running", "error"),
    ("InvocationResponse", "sent"),
    ("InvocationErrorResponse", "sent"),
    ("RuntimeResponseSentState", "next"),
}
RUNTIME_STATES = (
    "Started",
    "Ready",
    "Running",
    "InvocationResponse",
    "InvocationErrorResponse",
    "RuntimeResponseSentState",
    "InitError",
    "RestoreReady",
    "Restoring",
    "RuntimeRestoreErrorState",
)


@pytest.mark.parametrize(("state", "action"), list(itertools.product(RUNTIME_STATES, states.RUNTIME_TARGETS)))
def test_every_cell_of_the_runtime_table(state: str, action: str) -> None:
    runtime = RuntimeSide()
    runtime.state = state
    if (state, action) in RUNTIME_ALLOWED:
        runtime.act(action)
    else:
        with pytest.raises(ApiRefusal) as refusal:
            runtime.act(action)
        assert refusal.value.status == 403
        assert refusal.value.error_type == "InvalidStateTransition"
        assert runtime.state == state


def registered_extension() -> Extension:
    extension = Extension("datadog-agent", is_external=True)
    extension.act("register")
    return extension


def test_a_waiting_next_gets_the_release() -> None:
    async def body() -> None:
        extension = registered_extension()
        waiter = extension.begin_next(1)
        extension.release({"eventType": "INVOKE"})
        assert (await waiter)["eventType"] == "INVOKE"
        assert extension.state == states.RUNNING

    run(body())


def test_a_release_before_next_is_remembered() -> None:
    async def body() -> None:
        extension = registered_extension()
        extension.release({"eventType": "INVOKE"})
        assert not extension.is_waiting
        assert extension.begin_next(1).done()
        assert extension.state == states.RUNNING

    run(body())


def test_a_shutdown_replaces_an_event_that_nobody_fetched() -> None:
    async def body() -> None:
        extension = registered_extension()
        extension.release({"eventType": "INVOKE"})
        extension.release({"eventType": "SHUTDOWN"})
        assert (await extension.begin_next(1))["eventType"] == "SHUTDOWN"

    run(body())


def test_an_abandoned_next_frees_its_slot() -> None:
    async def body() -> None:
        extension = registered_extension()
        waiter = extension.begin_next(1)
        waiter.cancel()
        extension.abandon_next(waiter)
        assert extension.state == states.REGISTERED
        assert not extension.begin_next(2).done()

    run(body())


def test_an_event_that_an_abandoned_next_never_read_is_kept() -> None:
    async def body() -> None:
        extension = registered_extension()
        waiter = extension.begin_next(1)
        extension.release({"eventType": "INVOKE"})
        extension.abandon_next(waiter)
        assert (await extension.begin_next(2))["eventType"] == "INVOKE"

    run(body())


def test_the_eleventh_extension_is_refused() -> None:
    registry = ExtensionRegistry(is_managed=False)
    for number in range(EXTENSIONS_MAX):
        registry.register(f"internal-{number}", ["INVOKE"], 1)
    with pytest.raises(ApiRefusal) as refusal:
        registry.register("one-too-many", ["INVOKE"], 1)
    assert refusal.value.error_type == "Extension.TooManyExtensions"
    assert refusal.value.message == "Extension limit (10) reached"


def test_internal_extensions_register_once_and_in_time() -> None:
    registry = ExtensionRegistry(is_managed=False)
    registry.register("internal", ["INVOKE"], 1)
    with pytest.raises(ApiRefusal, match="Extension with this name already registered"):
        registry.register("internal", ["INVOKE"], 1)
    registry.is_open = False
    with pytest.raises(ApiRefusal, match=r"Extension.RegistrationClosed: Extension registration closed already"):
        registry.register("late", ["INVOKE"], 1)


def test_managed_instances_refuse_invoke() -> None:
    registry = ExtensionRegistry(is_managed=True)
    registry.launch("datadog-agent")
    with pytest.raises(ApiRefusal, match="INVOKE: ErrorInvalidEventType"):
        registry.register("datadog-agent", ["INVOKE", "SHUTDOWN"], 1)
    assert registry.register("datadog-agent", ["SHUTDOWN"], 1).events == ("SHUTDOWN",)


def test_a_repeated_runtime_next_gets_the_same_invocation() -> None:
    async def body() -> None:
        runtime = RuntimeSide()
        waiter = runtime.begin_next(1)
        invocation = Invocation("5b1f6c5e-0c57-4d0a-9a0c-7d6b7a1f2c33", b"{}", 0)
        runtime.release(invocation)
        assert await waiter is invocation
        assert await runtime.begin_next(2) is invocation
        assert invocation.runtime_done_ns is None

    run(body())


def test_an_abandoned_runtime_next_can_be_retried() -> None:
    async def body() -> None:
        runtime = RuntimeSide()
        waiter = runtime.begin_next(1)
        waiter.cancel()
        runtime.abandon_next(waiter)
        again = runtime.begin_next(2)
        invocation = Invocation("5b1f6c5e-0c57-4d0a-9a0c-7d6b7a1f2c33", b"{}", 0)
        runtime.release(invocation)
        assert await asyncio.wait_for(again, 1) is invocation

    run(body())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Runtime.UserException", "Runtime.UserException"),
        ("Function.Broken", "Function.Broken"),
        ("Function.bad name", "Function.Unknown"),
        ("ValueError", "Runtime.Unknown"),
        (None, "Runtime.Unknown"),
    ],
)
def test_the_platform_keeps_only_its_own_error_types(given: str | None, kept: str) -> None:
    assert clean_error_type(given) == kept


def test_error_documents_escape_html_characters() -> None:
    assert states.error_document("A.B", "<a> & b") == (
        b'{"errorMessage":"\\u003ca\\u003e \\u0026 b","errorType":"A.B"}\n'
    )
