"""Readings of /proc: the real one against what Python says itself, and made-up ones file by file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from thimble.core.lifecycle.sampling import UNREADABLE, Readings
from thimble.shell.proc_stats import LIMITS_KEPT, ProcReader, read_file


def process(proc: Path, pid: int, descriptors: int, threads: int, limit: str = "1024", environ: bytes = b"") -> Path:
    """A made-up process."""
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "task").mkdir()
    for number in range(descriptors):
        (folder / "fd" / str(number)).touch()
    for number in range(threads):
        (folder / "task" / str(pid + number)).mkdir()
    (folder / "limits").write_text(
        f"Max open files  {limit}  {limit}  files\nMax processes  {limit}  {limit}  processes\n"
    )
    (folder / "environ").write_bytes(environ)
    return folder


def reader(folder: Path) -> ProcReader:
    return ProcReader(str(folder / "proc"), str(folder) + "/", str(folder / "os-release"))


def look(made: ProcReader) -> Readings:
    return made.readings(made.processes())


def in_own_processes(code: str, *wrapper: str, interpreter: str = sys.executable) -> list[str]:
    """Run code that prints words, alone in a process namespace whose /proc shows nothing else."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", *wrapper, interpreter, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_use_is_the_sum_over_all_processes(tmp_path: Path) -> None:
    process(tmp_path / "proc", 1, 3, 1)
    process(tmp_path / "proc", 27, 10, 4)
    (tmp_path / "proc" / "net").mkdir()
    (tmp_path / "proc" / "27" / "task" / "stray file").touch()
    readings = look(reader(tmp_path))
    assert (readings.descriptors, readings.threads) == (13, 5)


def test_a_process_that_vanishes_spoils_the_threads_of_this_look_alone(tmp_path: Path) -> None:
    process(tmp_path / "proc", 1, 3, 1)
    (tmp_path / "proc" / "99").mkdir()
    readings = look(reader(tmp_path))
    assert (readings.descriptors, readings.threads) == (3, UNREADABLE)


def test_what_is_missing_is_no_error(tmp_path: Path) -> None:
    nothing = ProcReader(str(tmp_path / "none"), str(tmp_path / "none"), str(tmp_path / "none"))
    readings = nothing.readings(nothing.processes())
    assert (readings.tmp_used_bytes, readings.descriptors, readings.threads) == (UNREADABLE, 0, 0)
    assert nothing.cpu_times() is None
    assert nothing.network() is None
    assert nothing.tmp_bytes_max() == 0
    assert nothing.runtime() == "unknown"
    assert (nothing.limits([]).descriptors, nothing.limits(["7"]).threads) == (1024, 1024)


def test_limits_are_the_lowest_of_all_processes(tmp_path: Path) -> None:
    process(tmp_path / "proc", 1, 0, 0, "1024")
    process(tmp_path / "proc", 2, 0, 0, "900")
    process(tmp_path / "proc", 3, 0, 0, "unlimited")
    made = reader(tmp_path)
    assert made.limits(made.processes()).descriptors == 900


def test_limits_are_kept_by_process_and_read_anew_now_and_then(tmp_path: Path) -> None:
    process(tmp_path / "proc", 7, 0, 0, "900")
    made = reader(tmp_path)
    assert made.limits(made.processes()).descriptors == 900
    (tmp_path / "proc" / "7" / "limits").write_text("Max open files  500  1024  files\n")
    for _ in range(LIMITS_KEPT - 1):
        assert made.limits(made.processes()).descriptors == 900
    assert made.limits(made.processes()).descriptors == 500
    process(tmp_path / "proc", 8, 0, 0, "300")
    assert made.limits(made.processes()).descriptors == 300
    assert made.limits(["7"]).descriptors == 500


def test_the_uptime_is_that_of_proc() -> None:
    before_s = float(Path("/proc/uptime").read_text().split()[0])
    uptime_ms = ProcReader().uptime_ms()
    after_s = float(Path("/proc/uptime").read_text().split()[0])
    assert round(before_s * 1000) <= uptime_ms <= round(after_s * 1000)
    assert uptime_ms % 10 == 0


def test_the_runtime_is_told_by_the_first_process_but_init(tmp_path: Path) -> None:
    process(tmp_path / "proc", 1, 0, 0, environ=b"AWS_EXECUTION_ENV=AWS_Lambda_init\0")
    process(tmp_path / "proc", 8, 0, 0, environ=b"PATH=/bin\0")
    process(tmp_path / "proc", 9, 0, 0, environ=b"AWS_EXECUTION_ENV=AWS_Lambda_ruby3.3\0")
    (tmp_path / "os-release").write_text('PRETTY_NAME="Amazon Linux 2"\n')
    assert reader(tmp_path).runtime() == "ruby3.3"
    (tmp_path / "proc" / "9" / "environ").write_bytes(b"")
    assert reader(tmp_path).runtime() == "provided.al2"


def test_tmp_is_measured_in_blocks_that_a_function_may_use(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    made = ProcReader(str(tmp_path), str(tmp_path))
    assert made.tmp_bytes_max() == status.f_bsize * status.f_blocks
    used = status.f_bsize * (status.f_blocks - status.f_bavail)
    assert look(made).tmp_used_bytes == pytest.approx(used, abs=64 << 20)  # others write here too


def test_counts_of_the_kernel_are_those_of_a_listing() -> None:
    """In a namespace of its own, so that the processes stand still while both are taken."""
    code = (
        "import subprocess, sys, threading\n"
        "from thimble.shell.proc_stats import ProcReader\n"
        "stop = threading.Event()\n"
        "for _ in range(5): threading.Thread(target=stop.wait).start()\n"
        "files = [open('/dev/null') for _ in range(11)]\n"
        "beside = subprocess.Popen(['sh', '-c', 'echo; read x'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "beside.stdout.readline()  # it has opened what it opens\n"
        "reader = ProcReader()\n"
        "fast = reader.readings(reader.processes())\n"
        "reader._has_descriptor_counts = reader._has_thread_counts = False\n"
        "slow = reader.readings(reader.processes())\n"
        "print(fast.descriptors, slow.descriptors, fast.threads, slow.threads)\n"
        "beside.communicate(); stop.set()\n"
    )
    fast, slow, fast_threads, slow_threads = map(int, in_own_processes(code))
    assert fast_threads == slow_threads >= 7
    assert slow - fast in (0, 1)  # a listing of our own descriptors contains its own
    assert fast >= 14


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_descriptors_of_other_users_do_not_count_and_their_threads_do() -> None:
    """As with a listing, which they refuse. Process 1 is root's here, and we are nobody."""
    code = (
        "import os; from thimble.shell.proc_stats import ProcReader\n"
        "reader = ProcReader(); reader.readings(reader.processes())\n"
        "own = str(os.getpid())\n"
        "print(reader._descriptors('1'), reader._threads('1'), reader._descriptors(own) > 2)\n"
    )
    with tempfile.TemporaryDirectory() as readable:  # the checkout may lie below root's home
        Path(readable).chmod(0o755)
        for part in Path(os.environ["PYTHONPATH"].split(os.pathsep)[0]).glob("thimble*"):
            (shutil.copytree if part.is_dir() else shutil.copy)(part, Path(readable) / part.name)
        nobody = ("setpriv", "--reuid=65534", "--clear-groups")
        interpreter = os.path.realpath(sys.executable)
        if subprocess.run([*nobody, interpreter, "-c", ""], capture_output=True, check=False).returncode:
            pytest.skip(f"nobody may not run {interpreter}")
        shell = (
            "env",
            f"PYTHONPATH={readable}",
            "sh",
            "-c",
            'setpriv --reuid=65534 --clear-groups "$@"; exit $?',
            "sh",
        )
        assert in_own_processes(code, *shell, interpreter=interpreter) == ["0", "1", "True"]


def test_threads_of_this_process_are_seen() -> None:
    made = ProcReader()
    stop = threading.Event()
    more = [threading.Thread(target=stop.wait) for _ in range(4)]
    look(made)
    before = made._threads(str(os.getpid()))
    for thread in more:
        thread.start()
    try:
        assert made._threads(str(os.getpid())) == before + 4
    finally:
        stop.set()
        for thread in more:
            thread.join()


class Namespace:
    """A made-up /proc that says it is our own process namespace, and which process is the newest."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        process(self.proc, 7, 3, 2)
        (self.proc / "self").symlink_to(str(os.getpid()))
        self.newest(7)
        self.reader = reader(folder)

    def newest(self, pid: int) -> None:
        (self.proc / "loadavg").write_text(f"0.00 0.01 0.05 1/123 {pid}\n")

    def threads(self) -> int:
        return look(self.reader).threads


def test_while_nothing_was_started_neither_processes_nor_threads_are_read_again(tmp_path: Path) -> None:
    made = Namespace(tmp_path)
    assert made.threads() == 2
    (made.proc / "7" / "task" / "9").mkdir()
    process(made.proc, 8, 1, 1)
    assert made.threads() == 2
    made.newest(9)
    assert made.threads() == 4


def test_descriptors_are_counted_in_every_look(tmp_path: Path) -> None:
    made = Namespace(tmp_path)
    assert look(made.reader).descriptors == 3
    (made.proc / "7" / "fd" / "12").touch()
    assert look(made.reader).descriptors == 4


def test_a_new_search_begins_with_a_full_reading(tmp_path: Path) -> None:
    """What the invocation before had at most must not be taken for what this one has."""
    made = Namespace(tmp_path)
    assert made.threads() == 2
    (made.proc / "7" / "task" / "8").rmdir()
    assert made.threads() == 2
    made.reader.forget()
    assert made.threads() == 1


def test_a_process_that_has_ended_is_dropped_from_the_list(tmp_path: Path) -> None:
    made = Namespace(tmp_path)
    process(made.proc, 8, 4, 1)
    assert look(made.reader).descriptors == 7
    shutil.rmtree(made.proc / "8")
    assert look(made.reader).descriptors == 3
    assert made.reader.processes() == ["7"]


@pytest.mark.parametrize("broken", ["self", "loadavg", "text"])
def test_everything_is_read_in_every_look_where_the_newest_process_is_not_known(tmp_path: Path, broken: str) -> None:
    made = Namespace(tmp_path)
    if broken == "self":
        (made.proc / "self").unlink()
        (made.proc / "self").symlink_to(str(os.getpid() + 1))
    elif broken == "loadavg":
        (made.proc / "loadavg").unlink()
    else:
        (made.proc / "loadavg").write_text("0.00 0.01 0.05 1/123 x\n")
    assert made.threads() == 2
    (made.proc / "7" / "task" / "9").mkdir()
    assert made.threads() == 3


def test_a_thread_and_a_process_that_start_are_seen_in_the_real_one() -> None:
    code = (
        "import subprocess, sys, threading\n"
        "from thimble.shell.proc_stats import ProcReader\n"
        "reader = ProcReader()\n"
        "def threads(): return reader.readings(reader.processes()).threads\n"
        "stop = threading.Event()\n"
        "counts = [threads(), threads()]\n"
        "assert reader._newest_pid > 0, 'the kernel tells the newest process'\n"
        "thread = threading.Thread(target=stop.wait); thread.start(); counts.append(threads())\n"
        "child = subprocess.Popen(['sleep', '60']); counts.append(threads())\n"
        "child.kill(); child.wait(); stop.set(); thread.join()\n"
        "reader.forget(); counts.append(threads())\n"
        "print(*counts)\n"
    )
    assert in_own_processes(code) == ["1", "1", "2", "3", "1"]


def test_a_file_is_read_whole_and_not_without_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    assert len(read_file(str(path))) == 100_000
    path.write_bytes(b"x" * (2 << 20))
    assert 1 << 20 <= len(read_file(str(path))) <= (1 << 20) + 32768
    assert read_file(str(tmp_path)) == b""
