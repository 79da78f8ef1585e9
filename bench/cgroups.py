"""Run a process in a control group of its own: limited to a share of a core, and accounted with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from bench.harness import Unavailable

PERIOD_US = 20_000
"""Quota period. Lambda's own is of this order; a longer one would let short work pass unthrottled."""

REMOVE_WAIT_S = 5.0
V2 = Path("/sys/fs/cgroup")


class Group:
    """A control group for the time of a `with` block, version 2 or version 1.

    Args:
        cpu_share: Part of one core, for example 1/14; None leaves it unlimited.

    Raises:
        Unavailable: On entering, when no control group can be made here; the text says why.
    """

    def __init__(self, cpu_share: float | None = None) -> None:
        self._cpu_share = cpu_share
        self._name = f"thimble-bench-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._folders: list[Path] = []
        self._is_v2 = (V2 / "cgroup.controllers").exists()

    def __enter__(self) -> Group:
        try:
            if self._is_v2:
                self._enter_v2()
            else:
                self._enter_v1()
        except OSError as error:
            self._remove()
            raise Unavailable(f"control groups cannot be written here ({error})") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _enter_v2(self) -> None:
        control = V2 / "cgroup.subtree_control"
        if "cpu" not in control.read_text().split():
            control.write_text("+cpu")
        folder = V2 / self._name
        folder.mkdir()
        self._folders.append(folder)
        if self._cpu_share is not None:
            (folder / "cpu.max").write_text(f"{int(PERIOD_US * self._cpu_share)} {PERIOD_US}")

    def _enter_v1(self) -> None:
        for controller in ("cpu", "cpuacct"):
            if not (V2 / controller).is_dir():
                raise OSError(f"no {controller} controller")
            folder = V2 / controller / self._name
            if any(folder.samefile(known) for known in self._folders if folder.exists()):
                continue  # cpu and cpuacct are often one mount
            folder.mkdir(exist_ok=True)
            self._folders.append(folder)
        if self._cpu_share is not None:
            (self._folders[0] / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self._folders[0] / "cpu.cfs_quota_us").write_text(str(int(PERIOD_US * self._cpu_share)))

    def _remove(self) -> None:
        """End what still runs in the group, and remove it."""
        end_s = time.monotonic() + REMOVE_WAIT_S
        for folder in self._folders:
            while folder.exists():
                for pid in (folder / "cgroup.procs").read_text().split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > end_s:
                        raise
                    time.sleep(0.005)  # the kernel tells nobody when a group has become empty
        self._folders.clear()

    def start(self, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command inside the group: a shell moves itself in, then becomes the command."""
        moves = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in self._folders)
        return subprocess.Popen(["/bin/sh", "-c", f'{moves}exec "$@"', "sh", *command], env=environment)

    def waiting(self, command: list[str]) -> list[str]:
        """The command for a start inside the group at a chosen moment: a shell moves itself in, waits for a line on its
        standard input, then becomes the command.
        """
        moves = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in self._folders)
        return ["/bin/sh", "-c", f'{moves}read -r go; exec "$@" < /dev/null', "sh", *command]

    def pids(self) -> list[int]:
        """The processes in the group now."""
        return [int(pid) for pid in (self._folders[0] / "cgroup.procs").read_text().split()]

    def cpu_seconds(self) -> float:
        """CPU used in the group so far, ended processes included, in seconds."""
        if self._is_v2:
            for line in (self._folders[0] / "cpu.stat").read_text().splitlines():
                if line.startswith("usage_usec "):
                    return int(line.split()[1]) / 1e6
            raise RuntimeError("cpu.stat has no usage_usec")
        return int((self._folders[-1] / "cpuacct.usage").read_text()) / 1e9
