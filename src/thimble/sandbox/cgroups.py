"""Control groups, where the machine lets us make them: a part of one core for an environment, and the kernel's freezer.

Version 2 (one tree) and version 1 (one tree per controller) are both served; which one is there is found by trying.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 20_000
"""Quota period of Lambda's CPU limit."""


class CgroupUnavailable(RuntimeError):
    """No such group can be made on this machine; the message says what was tried."""


class Cgroup:
    """One group of our own for CPU or freezing. `remove` it once its processes are gone."""

    def __init__(self, controller: str, name: str) -> None:
        """Make the group.

        Args:
            controller: `cpu` or `freezer`.
            name: Unique on this machine.

        Raises:
            CgroupUnavailable: Not permitted here, or no such controller.
        """
        self.is_v2 = (_ROOT / "cgroup.controllers").exists()
        parent = _ROOT if self.is_v2 else _ROOT / controller
        self.path = parent / name
        try:
            if not parent.is_dir():
                raise OSError(f"{parent} is missing")
            self.path.mkdir()
            if self.is_v2 and controller == "cpu" and not (self.path / "cpu.max").exists():
                self.path.rmdir()
                raise OSError("the cpu controller is not delegated")
        except OSError as error:
            raise CgroupUnavailable(f"cannot make the control group {self.path}: {error}") from error
        self.processes_file = str(self.path / "cgroup.procs")

    def limit_cpu(self, share: float) -> None:
        """Allow `share` of one core (1.0 is a whole one)."""
        quota_us = max(1000, round(PERIOD_US * share))
        if self.is_v2:
            (self.path / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.path / "cpu.cfs_quota_us").write_text(str(quota_us))

    async def freeze(self) -> None:
        """Stop every process of the group and wait until the kernel says so."""
        if self.is_v2:
            (self.path / "cgroup.freeze").write_text("1")
            while "frozen 1" not in (self.path / "cgroup.events").read_text():
                await asyncio.sleep(0.001)
        else:
            (self.path / "freezer.state").write_text("FROZEN")
            while (self.path / "freezer.state").read_text().strip() != "FROZEN":
                await asyncio.sleep(0.001)

    def thaw(self) -> None:
        if self.is_v2:
            (self.path / "cgroup.freeze").write_text("0")
        else:
            (self.path / "freezer.state").write_text("THAWED")

    def remove(self) -> None:
        """Remove the group; one that still has processes stays."""
        with contextlib.suppress(OSError):
            os.rmdir(self.path)


def make_cgroup(controller: str, port: int) -> Cgroup:
    """A group named after this process and the environment's API port, which together are unique."""
    return Cgroup(controller, f"thimble-{os.getpid()}-{port}")
