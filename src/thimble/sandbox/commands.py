"""The commands of `thimble.cli` that need the local Lambda: `run` and `demo`."""

from __future__ import annotations

import argparse
import asyncio
import errno
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

import orjson

from thimble import cli
from thimble.sandbox import isolation, walls
from thimble.sandbox.choice import Choice, ChoiceError, choose_extension
from thimble.sandbox.console import view_for
from thimble.sandbox.function_choice import PYTHON, FunctionError, choose_function
from thimble.sandbox.intake_faults import Behaviour, Faults, checked_behaviour
from thimble.sandbox.intake_process import dump
from thimble.sandbox.local_run import RunPlan, run_locally
from thimble.sandbox.run_report import RunReport
from thimble.sandbox.spec import FunctionSpec, PlatformOptions

EVENT_BYTES_MAX: Final = 6 * 1024 * 1024
"""Lambda's own limit of a synchronous event."""

EXTENSION_PORTS: Final = (
    (8124, socket.SOCK_STREAM),
    (8125, socket.SOCK_DGRAM),
    (8126, socket.SOCK_STREAM),
    (8999, socket.SOCK_STREAM),
)
"""Where the extension listens, whatever it is told: the client libraries expect it there."""

DEMO_EVENTS: Final = (
    ("cold start", {"article": "thimble", "count": 3}),
    ("warm", {"article": "thread", "count": 90, "sleep_s": 0.05}),
    ("the handler raises", {"article": "scissors"}),
    ("the handler takes too long", {"article": "needle", "sleep_s": 60}),
    ("a new start after the time-out", {"article": "needle", "count": 12}),
)
DEMO_TIMEOUT_S: Final = 1.0


class CommandError(Exception):
    """The command cannot do its work; the text is one sentence part that says what to do."""


def run(options: argparse.Namespace) -> int:
    """Carry out `thimble run`; returns the exit status."""
    env, faults = _variables(options.env), _faults(options.fault)
    if "-" not in options.event:  # standard input is read once, behind the walls
        _events(options.event, 1)
    function, choice, notes = _settle(
        options, options.handler, Path(options.root), options.runtime, options.name, env, options.memory,
        options.timeout, has_own_network=options.isolated,
    )  # fmt: skip
    plan = RunPlan(
        function=function,
        extensions=choice.extensions,
        extension_text=choice.text,
        events=[("", event) for event in _events(options.event, options.invocations)],
        options=PlatformOptions(cpu_share=options.cpu),
        pause_s=options.pause,
        slow={"all": options.intake_latency} if options.intake_latency else {},
        always=faults,
        has_tls=options.tls,
        shows_all=options.full,
        notes=notes,
    )
    report = _carry_out(plan, options.json)
    is_well = report.is_whole and all(one.is_ok for one in report.invocations)
    return cli.EXIT_LOST if options.strict and not is_well else 0


def demo(options: argparse.Namespace) -> int:
    """Carry out `thimble demo`; returns the exit status."""
    env = {"DD_SERVICE": "order-desk", "DD_ENV": "demo", "DD_VERSION": "1", "DD_TAGS": "team:sewing"}
    root = Path(__file__).parent / "sample"
    function, choice, notes = _settle(
        options, "app.handler", root, PYTHON, "order-desk", env, 512, DEMO_TIMEOUT_S, has_own_network=True
    )
    plan = RunPlan(
        function=function,
        extensions=choice.extensions,
        extension_text=choice.text,
        events=[(label, orjson.dumps(event)) for label, event in DEMO_EVENTS],
        options=PlatformOptions(),
        shows_all=options.full,
        notes=[
            f"A local Lambda and a local intake: no account, no key. time-out {DEMO_TIMEOUT_S:g} s.",
            *notes,
        ],
    )
    report = _carry_out(plan, options.json)
    return 0 if report.is_whole else cli.EXIT_LOST


def _settle(
    options: argparse.Namespace,
    handler: str,
    root: Path,
    runtime: str | None,
    name: str,
    env: dict[str, str],
    memory_mb: int,
    timeout_s: float,
    *,
    has_own_network: bool,
) -> tuple[FunctionSpec, Choice, list[str]]:
    """Decide what runs, and go behind walls if that is possible and wanted; then this process does not come back.

    Returns:
        The function, the extension, and remarks for the heading.
    """
    place = walls.inside()
    layer = str(walls.LAYER_PLACE) if place is not None and place.layer_text else None
    if place is not None and place.name:
        root, name = walls.TASK_PLACE, place.name
    try:
        function = choose_function(handler, root, runtime, name=name, env=env, memory_mb=memory_mb, timeout_s=timeout_s)
    except FunctionError as error:
        raise CommandError(str(error)) from error
    choice = _choice(layer or options.extension)
    if place is not None:
        return function, replace(choice, text=place.layer_text or choice.text), []
    notes = []
    if not options.direct:
        reason = isolation.problem()
        if reason is None:
            walls.go_inside(
                options.arguments, layer=choice.layer, layer_text=choice.text, root=function.root, name=function.name,
                has_own_network=has_own_network,
            )  # fmt: skip
        if has_own_network and options.command == "run":
            raise CommandError(f"--isolated is not possible here: {reason}")
        notes.append(walls.note(reason))
    if choice.extensions:
        _check_ports()
    return function, choice, notes


def read_event(text: str, standard_input: TextIO) -> bytes:
    """Read one event: `-` is standard input, text that begins like JSON is itself, everything else names a file.

    Raises:
        CommandError: It cannot be read, is no JSON, or is larger than Lambda takes.
    """
    if text == "-":
        event = standard_input.buffer.read()
    elif text.lstrip()[:1] in ("{", "[", '"'):
        event = text.encode()
    else:
        try:
            event = Path(text).read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CommandError(f"the event {text} cannot be read ({reason}): give a file, - or JSON text") from error
    try:
        orjson.loads(event)
    except orjson.JSONDecodeError as error:
        raise CommandError(f"the event {text} is no JSON: {error}") from error
    if len(event) > EVENT_BYTES_MAX:
        raise CommandError(f"the event {text} has {len(event)} bytes, Lambda takes {EVENT_BYTES_MAX}")
    return event


def _carry_out(plan: RunPlan, json_out: str | None) -> RunReport:
    view = view_for(sys.stderr if json_out == "-" else sys.stdout, plan.shows_all)
    report = asyncio.run(run_locally(plan, view))
    if json_out is not None:
        text = dump(report.as_dict()) + b"\n"
        if json_out == "-":
            sys.stdout.buffer.write(text)
        else:
            try:
                Path(json_out).write_bytes(text)
            except OSError as error:
                raise CommandError(f"the report cannot be written to {json_out}: {error.strerror}") from error
    return report


def _choice(asked: str | None) -> Choice:
    if asked == "none":
        return Choice([], "")
    try:
        return choose_extension(asked)
    except ChoiceError as error:
        raise CommandError(str(error)) from error


def _events(texts: Sequence[str], count: int | None) -> list[bytes]:
    events = [read_event(text, sys.stdin) for text in texts] or [b"{}"]
    return [events[index % len(events)] for index in range(count or len(events))]


def _variables(settings: Sequence[str]) -> dict[str, str]:
    variables = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise CommandError(f"--env {setting} should read --env NAME=VALUE")
        variables[name] = value
    return variables


def _faults(settings: Sequence[str]) -> dict[str, Behaviour]:
    faults: dict[str, Behaviour] = {}
    for setting in settings:
        product, equals, behaviour = setting.partition("=")
        if not equals:
            raise CommandError(f"--fault {setting} should read --fault PRODUCT=WHAT, such as logs=503")
        try:
            faults[product] = checked_behaviour(behaviour)
            Faults().always(product, behaviour)
        except ValueError as error:
            raise CommandError(f"--fault {setting}: {error}") from error
    return faults


def _check_ports() -> None:
    """Refuse to start when somebody has the extension's ports: it would start all the same, but deaf on them."""
    for port, kind in EXTENSION_PORTS:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    continue
                raise CommandError(
                    f"port {port}, which the extension needs, is taken (by a Datadog Agent or another run?): stop "
                    "that, or give this run a network of its own with --isolated"
                ) from error
