"""The sampler and the readings on a real loop, over a made-up /proc that changes while an invocation is open."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import monotonic_ns, thread_time_ns
from typing import Any

import pytest

from tests.core.lifecycle.life import BASE_S, event
from tests.shell.test_proc_stats import process
from thimble.core.codec.log_line import INFO
from thimble.core.codec.telemetry_events import TelemetryEvent
from thimble.core.lifecycle.enhanced_metrics import PREFIX, EnhancedMetrics
from thimble.core.lifecycle.init_tags import InitTags
from thimble.core.lifecycle.invocation_records import InvocationRecords
from thimble.reactor.loop import Loop, Task
from thimble.shell.log import Log
from thimble.shell.proc_stats import ProcReader
from thimble.shell.sandbox_metrics import SandboxMetrics

STAT = "cpu  2000 0 150 9000\ncpu0 2000 0 150 9000\n"
DEVICES = " vinternal_1: 1200 0 0 0 0 0 0 0 300 0 0 0 0 0 0 0\n"


class Sandbox:
    """A made-up /proc with one process, and the metrics that are made of it."""

    def __init__(self, folder: Path, *, managed: bool = False, is_on: bool = True, reads_use: bool = True) -> None:
        self.proc = folder / "proc"
        self.function = process(self.proc, 9, 5, 3, environ=b"AWS_EXECUTION_ENV=AWS_Lambda_python3.13\0")
        (self.proc / "net").mkdir()
        self.write("stat", STAT)
        self.write("net/dev", DEVICES)
        self.boot_ns = 100_000_000_000
        self.points: list[tuple[str, float, list[str]]] = []
        self.lines: list[bytes] = []
        self.errors: list[BaseException | None] = []
        self.loop = Loop(select.epoll(), monotonic_ns, self._failed)
        tags = InitTags(False, 0)
        self.metrics = SandboxMetrics(
            self.loop,
            EnhancedMetrics(self._insert, InvocationRecords(500), tags, managed, True, "x86_64"),
            tags,
            ProcReader(str(self.proc), str(folder) + "/", str(folder / "os-release"), lambda: self.boot_ns),
            lambda: BASE_S * 1000,
            lambda: 300,
            thread_time_ns,
            is_on,
            reads_use,
            managed,
            Log(INFO, lambda _, data: self.lines.append(data), lambda: 300),
        )

    def _insert(self, name: str, value: float, tags: list[str], timestamp_s: int) -> None:
        self.points.append((name.removeprefix(PREFIX), value, tags))

    def _failed(self, task: Task) -> None:
        self.errors.append(task.error)

    def write(self, name: str, text: str) -> None:
        (self.proc / name).write_text(text)

    def open_descriptors(self, count: int) -> None:
        for number in range(count):
            (self.function / "fd" / f"more{number}").touch()

    def close_descriptors(self, count: int) -> None:
        for number in range(count):
            (self.function / "fd" / f"more{number}").unlink()

    def value(self, name: str) -> float:
        (value,) = [value for found, value, _ in self.points if found == name]
        return value

    def names(self) -> set[str]:
        return {name for name, _, _ in self.points}

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        self.loop.run(main)
        for task in list(self.loop.tasks):
            self.loop.cancel(task)
        self.loop.turn()
        self.loop.turn()
        assert self.loop.tasks == []
        assert self.errors == []


def done(request_id: str = "r1", at_ms: int = 1000) -> TelemetryEvent:
    record = {"requestId": request_id, "status": "success", "metrics": {"durationMs": 12.5}}
    return event("platform.runtimeDone", record, at_ms)


def start(request_id: str) -> TelemetryEvent:
    return event("platform.start", {"requestId": request_id, "version": "$LATEST"}, 300)


def report(request_id: str = "r1") -> TelemetryEvent:
    metrics = {"durationMs": 13.5, "billedDurationMs": 14, "memorySizeMB": 512, "maxMemoryUsedMB": 97}
    return event("platform.report", {"requestId": request_id, "status": "success", "metrics": metrics}, 1100)


def managed_report(request_id: str) -> TelemetryEvent:
    record = {"requestId": request_id, "status": "success", "metrics": {"durationMs": 13.5}}
    return event("platform.report", record, 1100)


async def until(sandbox: Sandbox, condition: Callable[[], bool]) -> None:
    """Let the loop run until a condition holds; 5 s at most."""
    for _ in range(1000):
        if condition():
            return
        await sandbox.loop.sleep_ms(5)
    raise AssertionError("it did not happen within 5 s")


def test_use_that_comes_and_goes_during_an_invocation_is_seen(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        record = sandbox.metrics._watched
        assert record is not None
        assert record.peaks is not None
        sandbox.open_descriptors(20)
        peaks = record.peaks
        await until(sandbox, lambda: peaks.descriptors == 25)
        sandbox.close_descriptors(20)
        sandbox.metrics.on_events([done()])

    sandbox.run(life())
    assert sandbox.value("fd_use") == 25
    assert sandbox.value("threads_use") == 3
    assert sandbox.value("tmp_used") > 0
    assert "num_cores" not in sandbox.names()  # the made-up clock stands still


def test_use_of_the_last_moment_is_seen(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.open_descriptors(7)
        sandbox.metrics.on_events([done()])

    sandbox.run(life())
    assert sandbox.value("fd_use") == 12


def test_nothing_is_looked_at_between_invocations(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        assert [task.name for task in sandbox.loop.tasks if task.name == "sampler"] == ["sampler"]
        sandbox.metrics.on_events([done()])
        await sandbox.loop.pause()
        await sandbox.loop.pause()
        assert [task.name for task in sandbox.loop.tasks if task.name == "sampler"] == []

    sandbox.run(life())


def test_a_second_invoke_begins_new_peaks_and_the_late_end_of_the_first_keeps_its_own(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.open_descriptors(30)
        sandbox.metrics.on_invoke("r1")
        sandbox.close_descriptors(30)
        sandbox.metrics.on_invoke("r2")
        sandbox.metrics.on_events([done("r1")])
        assert sandbox.value("fd_use") == 35
        sandbox.points.clear()
        await sandbox.loop.pause()
        await sandbox.loop.pause()
        assert [task.name for task in sandbox.loop.tasks if task.name == "sampler"] == ["sampler"]
        sandbox.metrics.on_events([done("r2", 2000)])
        assert sandbox.value("fd_use") == 5

    sandbox.run(life())


def test_threads_of_the_invocation_before_do_not_count_again(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    (sandbox.proc / "self").symlink_to(str(os.getpid()))
    sandbox.write("loadavg", "0.00 0.01 0.05 1/123 7\n")

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.metrics.on_events([done("r1")])
        assert sandbox.value("threads_use") == 3
        sandbox.points.clear()
        (sandbox.function / "task" / "11").rmdir()
        sandbox.metrics.on_invoke("r2")
        sandbox.metrics.on_events([done("r2", 2000)])
        assert sandbox.value("threads_use") == 2

    sandbox.run(life())


def test_an_end_that_overtakes_its_invoke_leaves_nothing_to_watch(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_events([done()])
        sandbox.metrics.on_invoke("r1")
        await sandbox.loop.pause()
        assert [task.name for task in sandbox.loop.tasks if task.name == "sampler"] == []

    sandbox.run(life())
    assert sandbox.value("fd_use") == 5
    assert sandbox.value("invocations") == 1


def test_cpu_and_network_are_read_at_invoke_end_and_report(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.write("stat", "cpu  2042 0 163 9050\ncpu0 2042 0 163 9050\n")
        sandbox.boot_ns += 1_000_000_000
        sandbox.metrics.on_events([done()])
        sandbox.write("net/dev", " vinternal_1: 51200 0 0 0 0 0 0 0 9300 0 0 0 0 0 0 0\n")
        sandbox.metrics.on_events([report()])

    sandbox.run(life())
    assert (sandbox.value("rx_bytes"), sandbox.value("tx_bytes"), sandbox.value("total_network")) == (
        50_000,
        9000,
        59_000,
    )
    assert (sandbox.value("cpu_user_time"), sandbox.value("cpu_system_time")) == (420.0, 130.0)
    assert sandbox.value("cpu_total_time") == 550.0
    assert sandbox.value("cpu_total_utilization_pct") == pytest.approx(50.0)
    assert (sandbox.value("num_cores"), sandbox.value("cpu_max_utilization")) == (1.0, pytest.approx(50.0))


def test_a_file_that_cannot_be_read_at_the_invoke_costs_its_metrics_alone(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.write("net/dev", "nothing of ours\n")

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.write("net/dev", DEVICES)
        sandbox.metrics.on_events([done(), report()])

    sandbox.run(life())
    assert not {"rx_bytes", "tx_bytes", "total_network"} & sandbox.names()
    assert {"cpu_user_time", "duration", "fd_use"} <= sandbox.names()


def test_without_the_setting_for_proc_only_the_limits_are_read(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, reads_use=False)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        assert [task.name for task in sandbox.loop.tasks if task.name == "sampler"] == []
        sandbox.metrics.on_events([done(), report()])

    sandbox.run(life())
    absent = {"cpu_user_time", "num_cores", "rx_bytes", "tmp_used", "tmp_max", "fd_use", "threads_use"}
    assert not absent & sandbox.names()
    assert (sandbox.value("fd_max"), sandbox.value("threads_max")) == (1024, 1024)
    assert {"invocations", "duration", "estimated_cost"} <= sandbox.names()


def test_nothing_is_made_when_the_metrics_are_off(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, is_on=False)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.metrics.on_failed_end_call("r1")
        sandbox.metrics.on_events([done(), report()])
        sandbox.metrics.before_flush()
        sandbox.metrics.on_shutdown()

    sandbox.run(life())
    assert sandbox.points == []


def test_the_runtime_is_found_at_the_first_invocation(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.metrics.on_events([done()])

    sandbox.run(life())
    assert all("runtime:python3.13" in tags for _, _, tags in sandbox.points)


def test_an_end_call_that_names_no_invocation_means_the_one_that_runs(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.metrics.on_failed_end_call("")
        sandbox.metrics.on_failed_end_call("r1")
        sandbox.metrics.on_events([done()])

    sandbox.run(life())
    assert sandbox.value("errors") == 1


def test_managed_instances_are_watched_while_any_invocation_runs(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, managed=True)

    def samplers() -> int:
        return len([task for task in sandbox.loop.tasks if task.name == "sampler"])

    async def life() -> None:
        sandbox.metrics.on_events([start("r1"), start("r2")])
        assert samplers() == 1
        sandbox.metrics.on_events([managed_report("r1")])
        await sandbox.loop.pause()
        assert samplers() == 1
        sandbox.open_descriptors(20)
        peaks = sandbox.metrics._metrics.managed_peaks
        await until(sandbox, lambda: peaks.descriptors == 25)
        sandbox.close_descriptors(20)
        sandbox.metrics.on_events([managed_report("r2")])
        await sandbox.loop.pause()
        await sandbox.loop.pause()
        assert samplers() == 0
        assert not {"fd_use", "fd_max"} & sandbox.names()
        sandbox.metrics.on_shutdown()

    sandbox.run(life())
    assert all("runtime:python3.13" in tags for _, _, tags in sandbox.points)
    assert sandbox.value("fd_use") == 25
    assert sandbox.value("fd_max") == 1024


def test_a_defect_costs_metrics_and_one_line(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)

    async def life() -> None:
        sandbox.metrics.on_invoke("r1")
        sandbox.points = None  # type: ignore[assignment]  # whoever takes the metrics is broken
        sandbox.metrics.before_flush()
        sandbox.metrics.on_failed_end_call("r1")
        sandbox.metrics.on_events([done(), report()])
        sandbox.metrics.on_invoke("r2")
        sandbox.metrics.on_shutdown()

    sandbox.run(life())
    assert len(sandbox.lines) == 1
    assert b"Defect in our own metrics: AttributeError" in sandbox.lines[0]
