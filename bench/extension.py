"""Start an extension between a scripted Lambda and an intake, and read what it costs: CPU, memory, times.

A program is a frozen layer shown at /opt, or the package under the interpreter. CPU is the control group's counter in
nanoseconds, ended processes and threads included; where no control group can be made, the process's own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import namespaces
from bench.cgroups import Group
from bench.harness import OUT, ROOT, Unavailable
from bench.processes import Memory, cpu_seconds_of, memory_of, peak_rss_kb_of, state_of
from bench.scripted_lambda import ScriptedLambda

API_KEY = "0123456789abcdef0123456789abcdef"
LAUNCHER = "extensions/datadog-agent"

VARIABLES = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "orders-api",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "token",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "DD_API_KEY": API_KEY,
    "DD_LOGS_CONFIG_LOGS_DD_URL": "http://127.0.0.1:9",
    "DD_DD_URL": "http://127.0.0.1:9",
}
"""What Lambda shows to every extension, and an intake that nobody runs."""

SETTLED_S = 0.03
IDLE_WAIT_S = 30.0


@dataclass(frozen=True)
class Program:
    """What to start: its command, what it needs in its environment, and the layer to show at /opt."""

    name: str
    command: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    layer: Path | None = None


def frozen(name: str) -> Program:
    """The program frozen in `dist/<name>` (`layer` or `bare`): a copy, so that a build beside us cannot pull it away.

    Raises:
        Unavailable: It is not built.
    """
    source, target = ROOT / "dist" / name, OUT / "programs" / name
    if not (source / LAUNCHER).exists():
        raise Unavailable(f"dist/{name} is not built: make bundle")
    if target not in _copied:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        os.sync()  # freshly written files count as dirty memory
        _copied.append(target)
    return Program(name, (f"{namespaces.OPT}/{LAUNCHER}",), {}, target)


_copied: list[Path] = []


def pure() -> Program:
    """The package as it is, interpreted."""
    return Program("pure", (sys.executable, "-m", "thimble.boot"), {"PYTHONPATH": str(ROOT / "src")})


class Running:
    """An extension that has been started."""

    def __init__(self, process: subprocess.Popen[bytes], group: Group | None, log: Path) -> None:
        self._process = process
        self._group = group
        self._log = log
        self._cpu_before_s = self._cpu_s()
        self.started_ns = 0

    def go(self) -> None:
        """Let the shell become the program: the moment of exec."""
        assert self._process.stdin is not None
        self.started_ns = time.monotonic_ns()
        self._process.stdin.write(b"\n")
        self._process.stdin.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _cpu_s(self) -> float:
        return self._group.cpu_seconds() if self._group is not None else cpu_seconds_of(self._process.pid)

    def cpu_ms(self) -> float:
        """CPU since exec, in milliseconds."""
        return (self._cpu_s() - self._cpu_before_s) * 1000

    def memory(self) -> Memory:
        return memory_of(self.pid)

    def peak_rss_kb(self) -> int:
        return peak_rss_kb_of(self.pid)

    def wait_until_idle(self) -> float:
        """Wait until it uses no CPU any more; returns its CPU since exec in milliseconds.

        Raises:
            RuntimeError: It ended, or does not come to rest.
        """
        end_s = time.monotonic() + IDLE_WAIT_S
        before, quiet = self.cpu_ms(), 0
        while quiet < 2:
            if self._process.poll() is not None:
                raise RuntimeError(f"the extension ended with {self._process.returncode}: {self.output()}")
            if time.monotonic() > end_s:
                raise RuntimeError(f"the extension is still busy after {IDLE_WAIT_S} s")
            time.sleep(SETTLED_S)
            now = self.cpu_ms()
            quiet = quiet + 1 if now == before and self._is_waiting() else 0
            before = now
        return before

    def _is_waiting(self) -> bool:
        """Whether it waits for something. On a busy machine a process may use no CPU because it gets none."""
        pids = self._group.pids() if self._group is not None else [self.pid]
        return all(state_of(pid) not in "RD" for pid in pids)

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def check_silent(self) -> None:
        """A healthy extension prints nothing. Raises RuntimeError with what it printed."""
        if self.output():
            raise RuntimeError(f"the extension printed: {self.output()[:800]}")

    def wait(self, timeout_s: float = 10.0) -> int:
        """Wait for its own end; returns the exit code."""
        return self._process.wait(timeout_s)

    def terminate(self) -> None:
        """End it from outside, in order, and wait for its end."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(IDLE_WAIT_S)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@contextmanager
def started(
    program: Program,
    api: ScriptedLambda,
    variables: dict[str, str] | None = None,
    cpu_share: float | None = None,
    prefix: tuple[str, ...] = (),
) -> Iterator[Running]:
    """Start a program; it is killed at the end of the body if it has not ended by then.

    Args:
        variables: Environment beyond what Lambda sets; an empty value unsets.
        cpu_share: Part of one core that it gets.
        prefix: A program that runs it, such as valgrind.

    Raises:
        Unavailable: No namespaces here, or no control group although `cpu_share` needs one.
    """
    namespaces.enter()
    environment = VARIABLES | {"AWS_LAMBDA_RUNTIME_API": api.address} | program.variables | (variables or {})
    OUT.mkdir(parents=True, exist_ok=True)
    log = OUT / f"{program.name}.log"
    with ExitStack() as stack:
        if program.layer is not None:
            stack.enter_context(namespaces.at_opt(program.layer))
        group: Group | None = Group(cpu_share)
        assert group is not None
        try:
            stack.enter_context(group)
            command = group.waiting([*prefix, *program.command])
        except Unavailable:
            if cpu_share is not None:
                raise
            group = None
            command = ["/bin/sh", "-c", 'read -r go; exec "$@" < /dev/null', "sh", *prefix, *program.command]
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            command,
            env={name: value for name, value in environment.items() if value},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
        time.sleep(SETTLED_S)  # the shell comes to wait for its line: its own start is not counted
        running = Running(process, group, log)
        stack.callback(running.kill)
        running.go()
        yield running


@contextmanager
def front_seat() -> Iterator[bool]:
    """Share one core with what is started in the body, and take it at once when there is something to read.

    The extension's CPU counter then stands still from the moment its request has arrived, so it can be read exactly.
    Yields False where that is not permitted; the figure is then a little too high.
    """
    cpus, policy, parameter = os.sched_getaffinity(0), os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setaffinity(0, {max(cpus)})
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(10))
        is_permitted = True
    except OSError:
        is_permitted = False
    try:
        yield is_permitted
    finally:
        if is_permitted:
            os.sched_setscheduler(0, policy, parameter)
        os.sched_setaffinity(0, cpus)
