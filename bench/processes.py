"""Measure another process: its CPU, its memory, its instructions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Unavailable


@dataclass(frozen=True)
class Memory:
    """Memory of one process in KB, as the kernel adds it up in smaps_rollup."""

    rss_kb: int
    private_dirty_kb: int
    private_clean_kb: int
    pss_kb: int


def memory_of(pid: int | str) -> Memory:
    """Read /proc/<pid>/smaps_rollup. Call `os.sync()` before when files were just written: they count as dirty."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    values = {name: int(kb) for name, kb in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return Memory(values["Rss"], values["Private_Dirty"], values["Private_Clean"], values["Pss"])


def peak_rss_kb_of(pid: int | str) -> int:
    """The highest RSS of a running process so far, in KB (VmHWM)."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None
    return int(found.group(1))


def state_of(pid: int) -> str:
    """The state of a process in one letter: R runs or wants to, S sleeps, D waits for a disk; X when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1][0]
    except OSError:
        return "X"


def cpu_seconds_of(pid: int) -> float:
    """CPU of a running process so far (all its threads, not its children), in seconds, at the clock tick's 10 ms.

    Finer where the kernel offers it: /proc/<pid>/schedstat counts nanoseconds per thread.
    """
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total_ns += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        except (OSError, ValueError):
            return _cpu_seconds_by_ticks(pid)
    return total_ns / 1e9


def _cpu_seconds_by_ticks(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Finished:
    """A process that ended: exit code, CPU of it and its waited-for children in seconds, output.

    No peak memory: the kernel's figure for an ended child includes the moment before exec, when it still was us.
    """

    code: int
    cpu_s: float
    stdout: bytes


def run_and_account(command: list[str], environment: dict[str, str] | None = None) -> Finished:
    """Run a command to its end; the kernel's own accounting says what it used."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return Finished(process.returncode, usage.ru_utime + usage.ru_stime, output.read())


CALLGRIND = ("valgrind", "--tool=callgrind", "--trace-children=yes")
"""What goes before a command; the extension's launcher executes others, which are followed."""


def callgrind_total(dump: Path) -> int:
    """The instructions in one file that callgrind left."""
    text = dump.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"callgrind left no total in {dump.name}")
    return int(found.group(1))


def instructions(command: list[str], environment: dict[str, str] | None = None) -> int:
    """Count the user instructions of a command under callgrind: the same on a busy and on an idle machine.

    Raises:
        Unavailable: valgrind is not installed.
        RuntimeError: The command failed.
    """
    if shutil.which("valgrind") is None:
        raise Unavailable("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", "--error-exitcode=0", f"--callgrind-out-file={folder}/out.%p"]
        result = subprocess.run([*tool, *command], env=environment, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {result.returncode} under callgrind: {result.stderr[-500:]}")
        found = re.findall(r"Collected : (\d+)", result.stderr)
        if not found:
            raise RuntimeError(f"callgrind printed no count: {result.stderr[-500:]}")
        return sum(int(count) for count in found)
