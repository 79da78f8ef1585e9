"""Start the extension of this run as a process: pure, compiled, or the executable that `--extension` names."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import namespaces

ROOT = Path(__file__).resolve().parent.parent.parent
FROZEN = "frozen"

FUNCTION_VARIABLES: dict[str, str] = {
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
}
"""What Lambda shows to every extension, but for the address of its APIs."""


def intake_variables(url: str) -> dict[str, str]:
    """Send every kind of data to one intake."""
    return dict.fromkeys(("DD_LOGS_CONFIG_LOGS_DD_URL", "DD_DD_URL", "DD_APM_DD_URL"), url)


class Program:
    """How to start the extension.

    Attributes:
        form: `pure`, `compiled` or `frozen`.
        command: The program and its arguments.
        variables: What it needs in its environment, beyond what Lambda sets.
        binds: Folders to bind over others in its own mount namespace.
        keeps_descriptors: Descriptors that it inherits.
    """

    def __init__(
        self,
        form: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        binds: Sequence[tuple[Path, str]] = (),
        keeps_descriptors: Sequence[int] = (),
    ) -> None:
        self.form = form
        self.command = list(command)
        self.variables = dict(variables)
        self.binds = list(binds)
        self.keeps_descriptors = list(keeps_descriptors)

    def before_exec(self) -> Callable[[], None] | None:
        """For `preexec_fn`: the mounts of the frozen form."""
        binds = self.binds
        return (lambda: namespaces.mount_privately(binds)) if binds else None


def program_of(form: str, extension: str | None) -> Program:
    """The program of this run; the layer of a frozen one is the folder above `extensions/`, as in Lambda's /opt."""
    if extension is None:
        return Program(form, [sys.executable, "-m", "thimble.boot"], {"PYTHONPATH": os.environ["PYTHONPATH"]})
    path = Path(extension).resolve()
    layer = path.parent.parent
    return Program(FROZEN, [f"/opt/extensions/{path.name}"], {}, [(layer, "/opt")])


class Process:
    """A running extension and what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.out: list[str] = []
        """Lines of standard output so far."""
        self.err: list[str] = []
        self._changed = asyncio.Event()
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self.out)),
            asyncio.create_task(self._read(process.stderr, self.err)),
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is a signal."""
        return self._process.returncode

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        """Freeze it; it is frozen when this returns."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """Thaw it."""
        self._process.send_signal(signal.SIGCONT)

    async def exit(self, timeout_s: float = 10.0) -> int:
        """Wait for its end and return the exit code.

        Raises:
            TimeoutError: It still runs.
        """
        async with asyncio.timeout(timeout_s):
            code = await self._process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def wait_for_line(self, part: str, timeout_s: float = 10.0) -> str:
        """Return the first line, of either stream, that contains `part`."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for line in self.out + self.err:
                        if part in line:
                            return line
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"no line with {part!r} in {timeout_s} s: {self.out}, {self.err}") from None

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await asyncio.gather(*self._readers)

    async def _read(self, stream: asyncio.StreamReader, lines: list[str]) -> None:
        while line := await stream.readline():
            lines.append(line.decode("utf-8", "replace").rstrip("\n"))
            self._changed.set()


async def start_extension(program: Program, api: str, variables: Mapping[str, str | bytes]) -> Process:
    """Start it with the environment that Lambda gives to extensions, and `variables`; an empty value unsets."""
    environment: dict[str, str | bytes] = {
        **FUNCTION_VARIABLES,
        "AWS_LAMBDA_RUNTIME_API": api,
        **program.variables,
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *program.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in environment.items() if value},
        cwd="/",
        preexec_fn=program.before_exec(),
        pass_fds=program.keeps_descriptors,
        limit=1 << 24,
    )
    return Process(process)
