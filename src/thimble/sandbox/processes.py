"""Processes of one environment: starting them with exactly the environment given, seeing them end, ending them.

Each process leads its own group. The emulator is a child subreaper, so a daemon that a function leaves behind becomes
its child; such strays are recognised by the address of the environment's Runtime API in their environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from thimble.sandbox import proc_tree
from thimble.sandbox.clock import Clock
from thimble.sandbox.log_capture import LineSink, LogPipe

_PR_SET_CHILD_SUBREAPER = 36
RUNTIME = "runtime"


class LaunchError(Exception):
    """A process could not be started. Attribute `reason` is the platform's word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Process:
    """One started process: the runtime or an extension."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], started_ns: int) -> None:
        self.name = name
        self.child = child
        self.pid = child.pid
        self.started_ns = started_ns
        self.exited_ns: int | None = None
        self.exit_code: int | None = None
        """Negative: ended by that signal."""
        self.is_killed = False
        """We sent SIGKILL."""
        self.pipes: list[LogPipe] = []
        self.gone = asyncio.Event()

    @property
    def is_running(self) -> bool:
        return self.exited_ns is None

    def ending(self) -> str:
        """How it ended, in the platform's words; empty for exit code 0."""
        if self.exit_code is None or self.exit_code == 0:
            return ""
        if self.exit_code < 0:
            return f"signal: {_SIGNAL_WORDS.get(-self.exit_code, str(-self.exit_code))}"
        return f"exit status {self.exit_code}"

    def signal_group(self, number: int) -> None:
        """Signal the process group, as long as its leader was not reaped."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        if self.is_running:
            self.is_killed = True
            self.signal_group(signal.SIGKILL)


_SIGNAL_WORDS: dict[int, str] = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGTERM: "terminated",
    signal.SIGBUS: "bus error",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGHUP: "hangup",
    signal.SIGPIPE: "broken pipe",
    signal.SIGFPE: "floating point exception",
}


class ProcessTable:
    """All processes of one environment, over its generations."""

    def __init__(self, clock: Clock, runtime_api: str, on_exit: Callable[[Process], None]) -> None:
        self._clock = clock
        self._marker = f"AWS_LAMBDA_RUNTIME_API={runtime_api}".encode()
        self._on_exit = on_exit
        self.running: list[Process] = []
        self.cgroup_files: list[str] = []
        """`cgroup.procs` files that each new process enters before it executes."""
        self._descendants: set[int] = set()
        become_subreaper()

    def start(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        sink: LineSink,
        framed_sink: LineSink | None = None,
    ) -> Process:
        """Start one process.

        Args:
            name: Extension name or `runtime`.
            command: Program and arguments; the program is a path.
            env: The whole environment.
            cwd: Working directory.
            sink: Takes each line of stdout and stderr.
            framed_sink: Takes each record of the framed log descriptor; None gives no such descriptor.

        Raises:
            LaunchError: Missing, not executable, or refused by the kernel.
        """
        inherited: tuple[int, ...] = ()
        full_env = dict(env)
        frame_read = frame_write = -1
        if framed_sink is not None:
            frame_read, frame_write = os.pipe()
            inherited = (frame_write,)
            full_env["_LAMBDA_TELEMETRY_LOG_FD"] = str(frame_write)
        try:
            child = subprocess.Popen(
                list(command),
                env=full_env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
                pass_fds=inherited,
                bufsize=0,
                # Safe here: it only opens and writes, and the emulator's thread pool holds no lock of ours.
                preexec_fn=_Entrance(self.cgroup_files) if self.cgroup_files else None,  # noqa: PLW1509
            )
        except OSError as error:
            if frame_read >= 0:
                os.close(frame_read)
            reason = "PermissionDenied" if isinstance(error, PermissionError) else "UnknownError"
            raise LaunchError(reason, f"cannot start {name}: {error}") from error
        finally:
            if frame_write >= 0:
                os.close(frame_write)
        process = Process(name, child, self._clock.now_ns())
        for stream in (child.stdout, child.stderr):
            assert stream is not None
            process.pipes.append(LogPipe(os.dup(stream.fileno()), sink))
            stream.close()
        if framed_sink is not None:
            process.pipes.append(LogPipe(frame_read, framed_sink, is_framed=True))
        self.running.append(process)
        self._watch(process)
        return process

    def _watch(self, process: Process) -> None:
        descriptor = os.pidfd_open(process.pid)
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            process.exit_code = process.child.wait()
            process.exited_ns = self._clock.now_ns()
            self.running.remove(process)
            for pipe in process.pipes:
                pipe.drain()
            process.gone.set()
            self._on_exit(process)

        loop.add_reader(descriptor, ended)

    def drain_logs(self) -> None:
        """Capture what every process has printed up to now."""
        for process in self.running:
            for pipe in process.pipes:
                pipe.drain()

    def pids(self, name: str | None = None) -> list[int]:
        """Living processes: those started here (all, or the one named), their descendants, and strays."""
        roots = [process.pid for process in self.running if name in (None, process.name)]
        if name is None:
            known = {process.pid for process in self.running}
            roots += [
                pid
                for pid in proc_tree.children_of(os.getpid())
                if pid not in known and proc_tree.has_variable(pid, self._marker)
            ]
        found = proc_tree.with_descendants(roots)
        self._descendants.update(found)
        return found

    def kill_all(self) -> None:
        """SIGKILL to every group and every other descendant."""
        strays = set(self.pids()) - {process.pid for process in self.running}
        for process in list(self.running):
            process.kill()
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def wait_all_gone(self, limit_s: float = 2.0) -> None:
        """Wait for every started process, killing what comes to light meanwhile.

        Raises:
            TimeoutError: Something outlived SIGKILL for `limit_s`.
        """
        async with asyncio.timeout(limit_s):
            while self.running or self.pids():
                self.kill_all()
                if self.running:
                    await self.running[0].gone.wait()
                else:
                    await asyncio.sleep(0.002)
                self._reap_orphans()

    def _reap_orphans(self) -> None:
        """Collect dead descendants that became our children; started processes belong to their watchers."""
        started = {process.pid for process in self.running}
        for pid in self._descendants - started:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


class _Entrance:
    """Puts the new process into control groups between fork and exec."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = list(files)

    def __call__(self) -> None:
        for path in self._files:
            descriptor = os.open(path, os.O_WRONLY)
            os.write(descriptor, b"0")
            os.close(descriptor)


def become_subreaper() -> None:
    """Orphaned descendants become children of this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
