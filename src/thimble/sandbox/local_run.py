"""Run a function beside an extension on this machine and gather what Datadog would have received."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from thimble.sandbox import run_report
from thimble.sandbox.certificates import ThrowAwayAuthority
from thimble.sandbox.console import RunView
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.intake import Intake
from thimble.sandbox.intake_faults import Behaviour
from thimble.sandbox.received import Received
from thimble.sandbox.run_report import Invocation, LogLine, RunReport, Shutdown
from thimble.sandbox.spec import ExtensionSpec, FunctionSpec, PlatformOptions
from thimble.sandbox.wording import counted

PANELS_MAX: Final = 20
"""Invocations shown one by one, unless all are asked for; failed ones are always shown."""

NO_KEY: Final = "0" * 32
"""Stands for an API key: well-formed, and good for nothing."""

NO_SITE: Final = "thimble.invalid"
"""A site that no resolver knows, so that what has no local intake cannot leave the machine."""


@dataclass
class RunPlan:
    """What to run, and how.

    Attributes:
        function: The function; its `env` is the user's and goes before our settings for the local intake.
        extensions: What runs beside it; may be empty.
        extension_text: What the console calls it; empty for none.
        events: One event per invocation, with a label for the console; an empty label means `cold start` or `warm`.
        options: Of the platform.
        pause_s: Real time between invocations, with the environment frozen.
        slow: Latency of the intake, product to milliseconds.
        always: Standing misbehaviour of the intake per product.
        has_tls: Whether the intake speaks TLS, with an authority of its own that the extension is told to trust.
        shows_all: Whether every invocation is shown.
        notes: Remarks for the heading.
    """

    function: FunctionSpec
    extensions: Sequence[ExtensionSpec]
    extension_text: str
    events: Sequence[tuple[str, bytes]]
    options: PlatformOptions
    pause_s: float = 0.0
    slow: Mapping[str, float] = field(default_factory=dict)
    always: Mapping[str, Behaviour] = field(default_factory=dict)
    has_tls: bool = False
    shows_all: bool = False
    notes: Sequence[str] = ()


def intake_settings(url: str) -> dict[str, str]:
    """Return the variables that lead an extension to a local intake at `url`, with no key and no other way out."""
    return {
        "DD_API_KEY": NO_KEY,
        "DD_SITE": NO_SITE,
        "DD_DD_URL": url,
        "DD_LOGS_CONFIG_LOGS_DD_URL": url,
        "DD_APM_DD_URL": url,
        "DD_HTTP_PROTOCOL": "http1",
    }


async def run_locally(plan: RunPlan, view: RunView) -> RunReport:
    """Carry out a plan and show it while it goes.

    Returns:
        The report, after the environment was shut down as Lambda does.
    """
    view.heading(_function_text(plan.function), plan.extension_text, list(plan.notes))
    with tempfile.TemporaryDirectory(prefix="thimble-") as folder:
        tls, trust = None, {}
        if plan.has_tls:
            authority = ThrowAwayAuthority()
            tls, trust = (
                authority.server_context(),
                {"DD_TLS_CERT_FILE": str(authority.write_pem(Path(folder, "ca.pem")))},
            )
        async with Intake(tls) as intake:
            for product, latency_ms in plan.slow.items():
                intake.faults.slow(product, latency_ms)
            for product, behaviour in plan.always.items():
                intake.faults.always(product, behaviour)
            env = {**intake_settings(intake.url), **trust, **plan.function.env}
            function = replace(plan.function, env=env)
            async with Emulator(function, plan.extensions, options=plan.options) as emulator:
                return await _Run(plan, view, intake, emulator).carry_out()


def _function_text(function: FunctionSpec) -> str:
    what = f"{function.name} {function.handler}".strip()
    return f"{what} ({function.runtime}, {function.memory_mb} MB, {function.timeout_s:g} s)"


class _Run:
    """One run while it goes: invocations so far, and which of the intake's requests were read."""

    def __init__(self, plan: RunPlan, view: RunView, intake: Intake, emulator: Emulator) -> None:
        self._plan = plan
        self._view = view
        self._intake = intake
        self._emulator = emulator
        self._invocations: list[Invocation] = []
        self._by_id: dict[str, Invocation] = {}
        self._windows: list[list[Received]] = []
        self._lines: list[LogLine] = []
        self._unattributed: list[LogLine] = []
        self._unread: list[Received] = []
        self._seen = 0
        self._shown = 0
        self._hidden = 0

    async def carry_out(self) -> RunReport:
        total = len(self._plan.events)
        for number, (label, event) in enumerate(self._plan.events, 1):
            if number > 1 and self._plan.pause_s:
                with self._view.working(f"Frozen for {self._plan.pause_s:g} s"):
                    await self._emulator.frozen_for(self._plan.pause_s)
            events_before, received_before = len(self._emulator.events), len(self._intake.received)
            with self._view.working(f"Invocation {number} of {total}"):
                result = await self._emulator.invoke(event)
            invocation = run_report.invocation_of(
                number,
                label or ("cold start" if result.cold else "warm"),
                result,
                self._emulator.events[events_before:],
                self._plan.function.memory_mb,
            )
            self._invocations.append(invocation)
            self._by_id[result.request_id] = invocation
            self._windows.append(self._intake.received[received_before:])
            self._read_logs()
            self._show(everything=False)
        return await self._finish()

    async def _finish(self) -> RunReport:
        events = self._emulator.events[:]
        received_before, started_s = len(self._intake.received), time.monotonic()
        with self._view.working("Shutting down"):
            await self._emulator.spindown()
        duration_ms = (time.monotonic() - started_s) * 1000
        self._read_logs()
        self._show(everything=True)
        if self._hidden:
            self._view.remark(f"{counted(self._hidden, 'more invocation')} like these, shown with --full.")
        last = [run_report.request_of(received) for received in self._intake.received[received_before:]]
        expected, lost, undelivered = run_report.missing_lines(
            events, self._emulator.recorder.delivered_events(), self._lines
        )
        report = RunReport(
            function=self._plan.function.name,
            extension=self._plan.extension_text,
            invocations=self._invocations,
            shutdown=Shutdown(duration_ms, dict(self._emulator.exit_codes), last),
            totals=run_report.run_totals(self._intake.received),
            unattributed=self._unattributed,
            lines_expected=expected,
            lines_arrived=len(self._lines),
            lost=lost,
            undelivered=undelivered,
            own_lines=run_report.own_lines(self._emulator.events),
            start_up=self._emulator.recorder.cold_start_breakdown(),
            violations=list(self._emulator.recorder.violations),
        )
        self._view.summary(report)
        return report

    def _read_logs(self) -> None:
        """Read the logs of requests that were accepted since the last time."""
        self._unread += [
            received for received in self._intake.received[self._seen :] if received.product.name == "logs"
        ]
        self._seen = len(self._intake.received)
        still_open = []
        for received in self._unread:
            if received.accepted:
                self._take(run_report.log_lines(received.content or ()))
            elif not received.answered_s:
                still_open.append(received)
        self._unread = still_open

    def _take(self, lines: list[LogLine]) -> None:
        self._lines += lines
        for line in lines:
            owner = self._by_id.get(line.request_id)
            (self._unattributed if owner is None else owner.logs).append(line)

    def _show(self, everything: bool) -> None:
        """Show invocations in order, each when its REPORT has arrived or nothing more can come."""
        while self._shown < len(self._invocations):
            invocation = self._invocations[self._shown]
            if not everything and self._plan.extensions and not invocation.is_complete:
                return
            window = self._windows[self._shown]
            invocation.requests = [run_report.request_of(received) for received in window]
            invocation.metrics = run_report.metric_texts(window)
            invocation.spans = run_report.span_texts(window)
            self._shown += 1
            if self._plan.shows_all or invocation.number <= PANELS_MAX or not invocation.is_ok:
                self._view.invocation(invocation)
            else:
                self._hidden += 1
