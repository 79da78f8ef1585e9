"""The commands of `thimble.cli` that need the local Lambda: `run` and `demo`."""

from __future__ import annotations

import argparse
import asyncio
import errno
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

import orjson

from thimble import cli
from thimble.sandbox.choice import Choice, ChoiceError, choose_extension
from thimble.sandbox.console import view_for
from thimble.sandbox.function_choice import FunctionError, choose_function
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
    try:
        function = choose_function(
            options.handler,
            Path(options.root),
            options.runtime,
            name=options.name,
            env=_variables(options.env),
            memory_mb=options.memory,
            timeout_s=options.timeout,
        )
    except FunctionError as error:
        raise CommandError(str(error)) from error
    choice = _choice(options.extension)
    events = _events(options.event, options.invocations)
    if options.isolated:
        _isolate(choice, function)
    elif choice.extensions:
        _check_ports()
    plan = RunPlan(
        function=function,
        extensions=choice.extensions,
        extension_text=choice.text,
        events=[("", event) for event in events],
        options=PlatformOptions(cpu_share=options.cpu),
        pause_s=options.pause,
        slow={"all": options.intake_latency} if options.intake_latency else {},
        always=_faults(options.fault),
        shows_all=options.full,
    )
    report = _carry_out(plan, options.json)
    is_well = report.is_whole and all(one.is_ok for one in report.invocations)
    return cli.EXIT_LOST if options.strict and not is_well else 0


def demo(options: argparse.Namespace) -> int:
    """Carry out `thimble demo`; returns the exit status."""
    choice = _choice(options.extension)
    env = {"DD_SERVICE": "order-desk", "DD_ENV": "demo", "DD_VERSION": "1", "DD_TAGS": "team:sewing"}
    function = choose_function(
        "app.handler", Path(__file__).parent / "sample", "python", name="order-desk", env=env, memory_mb=512,
        timeout_s=DEMO_TIMEOUT_S,
    )  # fmt: skip
    if choice.extensions:
        _check_ports()
    plan = RunPlan(
        function=function,
        extensions=choice.extensions,
        extension_text=choice.text,
        events=[(label, orjson.dumps(event)) for label, event in DEMO_EVENTS],
        options=PlatformOptions(),
        shows_all=options.full,
        notes=[f"A local Lambda, a local intake; {len(DEMO_EVENTS)} invocations, time-out {DEMO_TIMEOUT_S:g} s."],
    )
    report = _carry_out(plan, options.json)
    return 0 if report.is_whole else cli.EXIT_LOST


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
    """Refuse to start when somebody has the extension's ports: it would start all the same, deaf on them."""
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


def _isolate(choice: Choice, function: FunctionSpec) -> None:
    raise NotImplementedError
