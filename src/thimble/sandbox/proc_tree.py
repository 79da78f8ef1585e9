"""Questions to /proc: who descends from whom, in which state, holding how much memory."""

from __future__ import annotations

import os
from pathlib import Path


def state_of(pid: int) -> str:
    """One-letter process state (`R`, `S`, `T`, `Z`, ...), or empty when the process is gone."""
    fields = _stat_fields(pid)
    return fields[0] if fields else ""


def is_alive(pid: int) -> bool:
    return state_of(pid) not in ("", "Z", "X")


def cpu_ticks(pid: int) -> int:
    """User and system time used by a process, in clock ticks; 0 when it is gone."""
    fields = _stat_fields(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def group_of(pid: int) -> int:
    """Process group, or 0 when the process is gone."""
    fields = _stat_fields(pid)
    return int(fields[2]) if fields else 0


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on (the command name may hold blanks and brackets)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


def children_of(pid: int) -> list[int]:
    """Direct children of all threads of a process."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found.extend(int(word) for word in file.read().split())
        except OSError:
            continue
    return found


def with_descendants(roots: list[int]) -> list[int]:
    """The roots that live and everything below them, parents first."""
    seen: dict[int, None] = {}
    queue = list(roots)
    while queue:
        pid = queue.pop(0)
        if pid in seen or not is_alive(pid):
            continue
        seen[pid] = None
        queue.extend(children_of(pid))
    return list(seen)


def has_variable(pid: int, assignment: bytes) -> bool:
    """Whether `NAME=value` stands in a process's initial environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return assignment in file.read().split(b"\0")
    except OSError:
        return False


def memory_bytes(pid: int) -> int:
    """Proportional set size, or resident size where the kernel hides it; 0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
