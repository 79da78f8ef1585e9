"""Reads what the kernel says about the sandbox: `/proc`, the use of `/tmp`, the name of the system.

Whatever cannot be read is missing in the answer; nothing here raises. All of it is the kernel's work, 2 to 10 us per
file and 40 to 80 for a listing of `/proc` that no cache remembers, so what counts is how little is asked for:

- `/proc/loadavg` ends with the newest process or thread id that was given out. While it stays the same nothing has been
  started, so the list of processes can only have become shorter, and the threads only fewer: neither is read again,
  since the highest use is what is wanted; `forget` begins a new search for it. The id is that of our own process
  namespace; whether `/proc` shows that one is checked.
- Descriptors and threads of a process are one `stat` where the kernel tells the count (threads always: the links of
  `task`; descriptors since Linux 6.2: the size of `fd`), and otherwise a listing, which costs three times as much.
- Limits are what a process got at its start, so they are kept by process and all read anew only now and then.
- The uptime is a clock of the kernel's; `/proc/uptime` prints it in hundredths of a second.

Source: proc(5); specification of metrics, "CPU and network" and "tmp, descriptors, threads".
"""

from __future__ import annotations

import posix
from time import CLOCK_BOOTTIME, clock_gettime_ns
from typing import TYPE_CHECKING, Final

from thimble.core.lifecycle.proc_files import (
    CpuTimes,
    Limits,
    Network,
    parse_cpu_times,
    parse_network,
)
from thimble.core.lifecycle.runtime import runtime_of_environment, runtime_of_system
from thimble.core.lifecycle.sampling import UNREADABLE, Readings

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_BYTES_MAX: Final = 1 << 20
"""More of a file is not read; `/proc/stat` of a machine with 400 cores has 60 KB."""

LIMITS_KEPT: Final = 16
"""After so many readings the limits of all processes are read anew: one may change its own."""

UPTIME_STEP_MS: Final = 10
"""What `/proc/uptime` shows, and the reference with it."""

TMP: Final = "/tmp/"  # noqa: S108 (the folder that Lambda gives to functions, nothing is written there)

NO_PID: Final = -1

_CHUNK_BYTES: Final = 32768
_DOTS: Final = 2
"""`.` and `..` among the links of a directory."""
_INIT_PID: Final = "1"


def boot_clock_ns() -> int:
    """Nanoseconds since the system started, suspended time included."""
    return clock_gettime_ns(CLOCK_BOOTTIME)


class ProcReader:
    """Reads below the folders that it is given.

    Args:
        proc: Where the process file system is mounted.
        tmp: The folder whose file system functions may fill.
        os_release: The file that names the operating system.
        boot_ns: Nanoseconds since the system started.
    """

    def __init__(
        self,
        proc: str = "/proc",
        tmp: str = TMP,
        os_release: str = "/etc/os-release",
        boot_ns: Callable[[], int] = boot_clock_ns,
    ) -> None:
        self._proc = proc
        self._tmp = tmp
        self._os_release = os_release
        self._boot_ns = boot_ns
        self._ticks_per_s = posix.sysconf("SC_CLK_TCK")
        self._user = posix.geteuid()
        self._is_probed = False
        self._has_descriptor_counts = False
        self._has_thread_counts = False
        self._has_newest_pid = False
        self._processes: list[str] = []
        self._thread_count = UNREADABLE
        self._newest_pid = NO_PID
        self._limits: dict[str, Limits] = {}
        self._limits_uses = 0

    def cpu_times(self) -> CpuTimes | None:
        return parse_cpu_times(read_file(self._proc + "/stat"), self._ticks_per_s)

    def network(self) -> Network | None:
        return parse_network(read_file(self._proc + "/net/dev"))

    def uptime_ms(self) -> float:
        """Milliseconds since the system started."""
        return float(self._boot_ns() // 1_000_000 // UPTIME_STEP_MS * UPTIME_STEP_MS)

    def processes(self) -> list[str]:
        """The ids of all processes, in the order of the directory; some may have ended since the last call."""
        if not self._is_probed:
            self._probe()
        newest_pid = self._read_newest_pid()  # before the listing: what starts during it is seen the next time
        if newest_pid == NO_PID or newest_pid != self._newest_pid:
            self._newest_pid = newest_pid
            self._thread_count = UNREADABLE
            self._processes = self._list_processes()
        return self._processes

    def forget(self) -> None:
        """Read everything anew, since what was highest does not matter any more."""
        self._newest_pid = NO_PID

    def limits(self, processes: list[str]) -> Limits:
        """The lowest limits among these processes."""
        known = self._limits if self._limits_uses % LIMITS_KEPT else {}
        self._limits_uses += 1
        self._limits = {}
        lowest = Limits()
        for pid in processes:
            limits = known.get(pid)
            if limits is None:
                limits = Limits()
                limits.take(read_file(f"{self._proc}/{pid}/limits"))
            self._limits[pid] = limits
            lowest.lower(limits)
        return lowest

    def tmp_bytes_max(self) -> int:
        """Size of the file system under `/tmp`, 0 when it cannot be read."""
        try:
            status = posix.statvfs(self._tmp)
        except OSError:
            return 0
        return int(status.f_bsize) * int(status.f_blocks)

    def readings(self, processes: list[str]) -> Readings:
        """What these processes use now; to be called right after `processes`.

        A process that vanishes meanwhile makes the count of threads unreadable, not that of descriptors.
        """
        threads = self._thread_count
        if threads == UNREADABLE:
            threads = self._count_threads(processes)
        descriptors = 0
        for pid in processes:
            descriptors += self._descriptors(pid)
        try:
            status = posix.statvfs(self._tmp)
            used_bytes = int(status.f_bsize) * (int(status.f_blocks) - int(status.f_bavail))
        except OSError:
            used_bytes = UNREADABLE
        return Readings(used_bytes, descriptors, threads)

    def runtime(self) -> str:
        """The function's runtime: of the first process that tells it, else of the operating system."""
        for pid in self.processes():
            if pid != _INIT_PID:
                runtime = runtime_of_environment(read_file(f"{self._proc}/{pid}/environ"))
                if runtime is not None:
                    return runtime
        return runtime_of_system(read_file(self._os_release))

    def _list_processes(self) -> list[str]:
        try:
            names = posix.listdir(self._proc)
        except OSError:
            return []
        return [name for name in names if name.isdigit()]

    def _read_newest_pid(self) -> int:
        """The newest id that was given out, `NO_PID` where that cannot be known."""
        if not self._has_newest_pid:
            return NO_PID
        words = read_file(self._proc + "/loadavg").split()
        return int(words[4]) if len(words) == 5 and words[4].isdigit() else NO_PID

    def _count_threads(self, processes: list[str]) -> int:
        count = 0
        for pid in processes:
            threads = self._threads(pid)
            if threads == UNREADABLE:
                return UNREADABLE
            count += threads
        if self._newest_pid != NO_PID:
            self._thread_count = count
        return count

    def _probe(self) -> None:
        """Find out, on our own process, what the kernel tells."""
        self._is_probed = True
        try:
            self._has_newest_pid = posix.readlink(self._proc + "/self") == str(posix.getpid())
        except OSError:
            self._has_newest_pid = False
        own = f"{self._proc}/{posix.getpid()}"
        try:
            self._has_descriptor_counts = posix.stat(own + "/fd").st_size > 0
            self._has_thread_counts = posix.stat(own + "/task").st_nlink == _DOTS + len(posix.listdir(own + "/task"))
        except OSError:
            self._has_descriptor_counts = False
            self._has_thread_counts = False

    def _descriptors(self, pid: str) -> int:
        """Open descriptors of a process; 0 when they are not ours to see."""
        path = f"{self._proc}/{pid}/fd"
        try:
            if self._has_descriptor_counts:
                status = posix.stat(path)
                is_ours = self._user in (0, status.st_uid)
                return int(status.st_size) if is_ours else 0
            return len(posix.listdir(path))
        except FileNotFoundError:
            self._newest_pid = NO_PID  # it has ended: list the processes anew next time
            return 0
        except OSError:
            return 0

    def _threads(self, pid: str) -> int:
        path = f"{self._proc}/{pid}/task"
        try:
            if self._has_thread_counts:
                return int(posix.stat(path).st_nlink) - _DOTS
            return len([entry for entry in posix.scandir(path) if entry.is_dir()])
        except OSError:
            return UNREADABLE


def read_file(path: str) -> bytes:
    """The beginning of a file, `FILE_BYTES_MAX` at most; empty when it cannot be read."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    data = b""
    try:
        while len(data) < FILE_BYTES_MAX:
            more = posix.read(descriptor, _CHUNK_BYTES)
            if not more:
                break
            data += more
    except OSError:
        data = b""
    finally:
        posix.close(descriptor)
    return data
