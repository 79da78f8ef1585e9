"""Freeze and thaw: no instruction of the environment's processes runs between invocations.

SIGSTOP and SIGCONT differ from Lambda's own freeze in three ways that a test should know: some blocking calls return
EINTR, handlers of SIGCONT run, and the monotonic clock goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from thimble.sandbox import proc_tree
from thimble.sandbox.cgroups import Cgroup
from thimble.sandbox.processes import RUNTIME, ProcessTable

CONFIRM_S = 2.0
"""A process that is not stopped after so long is stuck in the kernel."""


class FreezeError(RuntimeError):
    """Some process did not stop."""


async def freeze(processes: ProcessTable, cgroup: Cgroup | None = None) -> None:
    """Stop everything, the runtime first, and confirm it through /proc (or by the control group).

    Raises:
        FreezeError: A process still ran after `CONFIRM_S`.
    """
    if cgroup is not None:
        await cgroup.freeze()
        return
    loop = asyncio.get_running_loop()
    limit = loop.time() + CONFIRM_S
    for process in sorted(processes.running, key=lambda process: process.name != RUNTIME):
        process.signal_group(signal.SIGSTOP)
    while True:
        # A process may have forked before it stopped, so look again until nobody new is found.
        restless = [pid for pid in processes.pids() if proc_tree.state_of(pid) not in ("T", "t", "Z", "")]
        if not restless:
            return
        for pid in restless:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        if loop.time() > limit:
            raise FreezeError(f"processes {restless} did not stop within {CONFIRM_S} s")
        await asyncio.sleep(0.0005)


def thaw(processes: ProcessTable, cgroup: Cgroup | None = None) -> None:
    """Let everything run again."""
    if cgroup is not None:
        cgroup.thaw()
        return
    pids = processes.pids()
    for process in processes.running:
        process.signal_group(signal.SIGCONT)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
