"""Figures out of the files of `/proc`: network, CPU, limits, and what follows from two readings of them.

Source: proc(5); specification of metrics, "CPU and network" and "tmp, descriptors, threads".
"""

from __future__ import annotations

from typing import Final

INTERFACES: Final = (b"vinternal_1", b"vint_runtime", b"Ceth1")
"""Beginnings of the names of a sandbox's network interface."""

LIMIT_MAX: Final = 1024
"""What a sandbox allows of descriptors and of threads; a process may only have a lower limit."""

NO_UPTIME: Final = -1.0
"""In place of an uptime that was not read."""

_DIGITS_MAX: Final = 18
_LARGEST: Final = 1.7976931348623157e308
_DESCRIPTORS: Final = b"Max open files"
_PROCESSES: Final = b"Max processes"


class Network:
    """Bytes through the sandbox's interface since it exists."""

    def __init__(self, received_bytes: int, sent_bytes: int) -> None:
        self.received_bytes = received_bytes
        self.sent_bytes = sent_bytes


class CpuTimes:
    """CPU time of the sandbox since it started, in milliseconds; `cores` is the idle time by core (`cpu0`, ...)."""

    def __init__(self, user_ms: float, system_ms: float, idle_ms: float, cores: dict[bytes, float]) -> None:
        self.user_ms = user_ms
        self.system_ms = system_ms
        self.idle_ms = idle_ms
        self.cores = cores


class Utilisation:
    """How busy the cores were between two readings: percent, and cores."""

    def __init__(self, total_percent: float, total_cores: float, cores: int, most: float, least: float) -> None:
        self.total_percent = total_percent
        self.total_cores = total_cores
        self.cores = cores
        self.most_percent = most
        self.least_percent = least


class Limits:
    """Soft limits of one process, or the lowest of several; at most `LIMIT_MAX` each."""

    def __init__(self) -> None:
        self.descriptors = LIMIT_MAX
        self.threads = LIMIT_MAX

    def take(self, data: bytes) -> None:
        """Take in a process's `limits`. An unlimited, missing or unreadable line changes nothing."""
        self.descriptors = _lower(self.descriptors, data, _DESCRIPTORS)
        self.threads = _lower(self.threads, data, _PROCESSES)

    def lower(self, other: Limits) -> None:
        self.descriptors = min(self.descriptors, other.descriptors)
        self.threads = min(self.threads, other.threads)


def parse_network(data: bytes) -> Network | None:
    """Read `/proc/net/dev`: the first line of the sandbox's interface decides; None without one, or if it is odd."""
    for line in data.split(b"\n"):
        name, colon, rest = line.strip().partition(b":")
        if name.startswith(INTERFACES):
            words = rest.split()
            if not colon or len(words) < 9:
                return None
            received_bytes = _count(words[0])
            sent_bytes = _count(words[8])
            if received_bytes < 0 or sent_bytes < 0:
                return None
            return Network(received_bytes, sent_bytes)
    return None


def parse_cpu_times(data: bytes, ticks_per_s: int) -> CpuTimes | None:
    """Read `/proc/stat`; None when a `cpu` line is odd, or when the sum or the cores are missing."""
    user = -1
    system = -1
    idle = -1
    cores: dict[bytes, float] = {}
    for line in data.split(b"\n"):
        if not line.startswith(b"cpu"):
            continue
        words = line.split()
        idle_ticks = _count(words[4]) if len(words) > 4 else -1
        if idle_ticks < 0:
            return None
        if words[0] == b"cpu":
            user = _count(words[1])
            system = _count(words[3])
            idle = idle_ticks
            if user < 0 or system < 0:
                return None
        else:
            cores[words[0]] = idle_ticks / ticks_per_s * 1000.0
    if idle < 0 or not cores:
        return None
    return CpuTimes(user / ticks_per_s * 1000.0, system / ticks_per_s * 1000.0, idle / ticks_per_s * 1000.0, cores)


def utilisation(start: CpuTimes, start_uptime_ms: float, end: CpuTimes, end_uptime_ms: float) -> Utilisation | None:
    """What happened between two readings; None when no time has passed.

    A core that is missing in either reading counts in the number of cores alone. Without any core in both, the busiest
    one is taken as idle and the idlest one as busy, as in the reference.
    """
    passed_ms = end_uptime_ms - start_uptime_ms
    if passed_ms <= 0.0:
        return None
    least_idle_ms = _LARGEST
    most_idle_ms = 0.0
    for name, idle_ms in end.cores.items():
        before_ms = start.cores.get(name)
        if before_ms is not None:
            core_ms = max(idle_ms - before_ms, 0.0)
            least_idle_ms = min(least_idle_ms, core_ms)
            most_idle_ms = max(most_idle_ms, core_ms)
    cores = len(end.cores)
    all_ms = passed_ms * cores
    busy = max((all_ms - (end.idle_ms - start.idle_ms)) / all_ms, 0.0)
    return Utilisation(
        busy * 100.0,
        busy * cores,
        cores,
        max((passed_ms - least_idle_ms) / passed_ms * 100.0, 0.0),
        max((passed_ms - most_idle_ms) / passed_ms * 100.0, 0.0),
    )


def _lower(limit: int, data: bytes, name: bytes) -> int:
    """The smaller of `limit` and the number behind the line's name."""
    at = 0 if data.startswith(name) else data.find(b"\n" + name) + 1
    if at == 0 and not data.startswith(name):
        return limit
    rest = data[at + len(name) : at + len(name) + 80]
    words = rest.partition(b"\n")[0].split()
    if not words or rest[:1] not in (b" ", b"\t"):
        return limit
    soft = _count(words[0])
    return soft if 0 <= soft < limit else limit


def _count(word: bytes) -> int:
    """A non-negative decimal integer, -1 for anything else."""
    return int(word) if word.isdigit() and len(word) <= _DIGITS_MAX else -1
