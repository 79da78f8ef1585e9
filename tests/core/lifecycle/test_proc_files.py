"""Files of /proc, real and made up, and the formulas over two readings of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.core.lifecycle.proc_files import (
    CpuTimes,
    Limits,
    parse_cpu_times,
    parse_network,
    utilisation,
)

DEVICES = b"""Inter-|   Receive                                                |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:     400    8    0    0    0     0          0         0     400    8    0    0    0     0       0          0
vinternal_1:    1200   16    0    0    0     0          0         0     300   13    0    0    0     0       0          0
"""
STAT = b"""cpu  2000 7 150 9000 30 0 12 0 0 0
cpu0 1500 7 100 4000 20 0 6 0 0 0
cpu1 500 0 50 5000 10 0 6 0 0 0
intr 114930548 113199788 3 0 5
ctxt 1990473
btime 1062191376
"""
LIMITS = b"""Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max processes             %s             1024                 processes
Max open files            %s             1024                 files
Max locked memory         65536                65536                bytes
"""


def network(data: bytes) -> tuple[int, int] | None:
    found = parse_network(data)
    return None if found is None else (found.received_bytes, found.sent_bytes)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DEVICES, (1200, 300)),
        (DEVICES.replace(b"vinternal_1:    1200", b"vinternal_1:1200"), (1200, 300)),
        (DEVICES.replace(b"vinternal_1", b"vint_runtime"), (1200, 300)),
        (DEVICES.replace(b"vinternal_1", b"  Ceth1"), (1200, 300)),
        (DEVICES.replace(b"vinternal_1", b"Ceth12"), (1200, 300)),
        (DEVICES.replace(b"vinternal_1", b"eth0"), None),
        (DEVICES.replace(b"1200", b"many"), None),
        (DEVICES.replace(b" 300 ", b" -30 "), None),
        (b"vinternal_1: 1 2 3\nCeth1: 1 2 3 4 5 6 7 8 9\n", None),
        (b"vinternal_1 1 2 3 4 5 6 7 8 9\n", None),
        (b"", None),
    ],
)
def test_the_first_line_of_the_sandboxs_interface_decides(data: bytes, expected: tuple[int, int] | None) -> None:
    assert network(data) == expected


def test_cpu_times_are_ticks_of_the_sum_and_the_idle_ticks_of_each_core() -> None:
    times = parse_cpu_times(STAT, 100)
    assert times is not None
    assert (times.user_ms, times.system_ms, times.idle_ms) == (20_000.0, 1_500.0, 90_000.0)
    assert times.cores == {b"cpu0": 40_000.0, b"cpu1": 50_000.0}


def test_cpu_times_follow_the_kernels_tick() -> None:
    times = parse_cpu_times(STAT, 250)
    assert times is not None
    assert times.user_ms == 8_000.0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"cpu  2000 7 150 9000\n",
        b"cpu0 2000 7 150 9000\n",
        STAT.replace(b"5000", b"x"),
        STAT.replace(b"150", b"1.5"),
        STAT.replace(b"2000", b"-1"),
        STAT.replace(b"cpu1 500 0 50 5000 10 0 6 0 0 0", b"cpu1 500 0 50"),
        STAT.replace(b"9000", b"9" * 30),
    ],
)
def test_cpu_times_that_cannot_be_read_are_none(data: bytes) -> None:
    assert parse_cpu_times(data, 100) is None


@pytest.mark.parametrize(
    ("processes", "files", "expected"),
    [
        ((b"1024",), (b"900", b"1024"), (900, 1024)),
        ((b"500", b"300"), (b"4096",), (1024, 300)),
        ((b"unlimited",), (b"unlimited",), (1024, 1024)),
        ((b"0",), (b"1",), (1, 0)),
        ((b"12x",), (b"",), (1024, 1024)),
        ((), (), (1024, 1024)),
    ],
)
def test_limits_are_the_lowest_soft_ones_and_at_most_1024(
    processes: tuple[bytes, ...], files: tuple[bytes, ...], expected: tuple[int, int]
) -> None:
    limits = Limits()
    for number in range(max(len(processes), len(files))):
        limits.take(LIMITS % (processes[min(number, len(processes) - 1)], files[min(number, len(files) - 1)]))
    assert (limits.descriptors, limits.threads) == expected


def test_a_file_of_limits_without_the_lines_changes_nothing() -> None:
    limits = Limits()
    for data in (b"", b"Max open filesx 3\n", b"Max open files\n7 7 files\n", b"xMax open files 7\n"):
        limits.take(data)
    assert limits.descriptors == 1024
    limits.take(b"Max open files            7                    9                    files\n")
    assert limits.descriptors == 7


def reading(idle_ms: float, *cores: tuple[str, float]) -> CpuTimes:
    return CpuTimes(0.0, 0.0, idle_ms, {name.encode(): core_ms for name, core_ms in cores})


@pytest.mark.parametrize(
    ("start", "end", "passed_ms", "expected"),
    [
        (
            reading(5000, ("cpu0", 2000), ("cpu1", 3000)),
            reading(6400, ("cpu0", 2500), ("cpu1", 3900)),
            1000,
            (30.0, 0.6, 2, 50.0, 10.0),
        ),
        (reading(0, ("cpu0", 0)), reading(1500, ("cpu0", 1500)), 1000, (0.0, 0.0, 1, 0.0, 0.0)),
        (reading(500, ("cpu0", 500)), reading(400, ("cpu0", 400)), 1000, (110.0, 1.1, 1, 100.0, 100.0)),
        (reading(0, ("cpu9", 0)), reading(100, ("cpu0", 100)), 1000, (90.0, 0.9, 1, 0.0, 100.0)),
    ],
)
def test_utilisation_of_the_specifications_examples(
    start: CpuTimes, end: CpuTimes, passed_ms: float, expected: tuple[float, float, int, float, float]
) -> None:
    busy = utilisation(start, 100_000.0, end, 100_000.0 + passed_ms)
    assert busy is not None
    assert (busy.total_percent, busy.total_cores, busy.cores) == pytest.approx(expected[:3])
    assert (busy.most_percent, busy.least_percent) == pytest.approx(expected[3:])


@pytest.mark.parametrize("passed_ms", [0.0, -10.0])
def test_there_is_no_utilisation_when_no_time_has_passed(passed_ms: float) -> None:
    times = reading(0, ("cpu0", 0))
    assert utilisation(times, 500.0, times, 500.0 + passed_ms) is None


def test_cpu_times_of_the_specifications_example() -> None:
    start, end = (
        parse_cpu_times(line + b"\ncpu0 1 0 1 1\n", 100) for line in (b"cpu 2000 0 150 9000", b"cpu 2042 7 163 9100")
    )
    assert start is not None
    assert end is not None
    assert (end.user_ms - start.user_ms, end.system_ms - start.system_ms) == (420.0, 130.0)


@given(st.binary(max_size=300))
def test_no_bytes_break_a_parser(data: bytes) -> None:
    limits = Limits()
    for piece in (data, b"cpu " + data, b"Ceth1: " + data, b"Max open files " + data, DEVICES + data, STAT + data):
        parse_network(piece)
        parse_cpu_times(piece, 100)
        limits.take(piece)
    assert 0 <= limits.descriptors <= 1024


def test_the_files_of_this_machine_can_be_read() -> None:
    times = parse_cpu_times(Path("/proc/stat").read_bytes(), 100)
    assert times is not None
    assert len(times.cores) >= 1
    assert times.idle_ms == pytest.approx(sum(times.cores.values()), rel=0.01)
    limits = Limits()
    limits.take(Path("/proc/self/limits").read_bytes())
    assert 1 <= limits.descriptors <= 1024
