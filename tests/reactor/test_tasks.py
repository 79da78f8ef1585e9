"""Tasks, signals and timers on a real clock."""

from __future__ import annotations

import os
import socket
import time

import pytest

from tests.reactor.rig import polls_of, run
from thimble.reactor.errors import DeadlinePassed
from thimble.reactor.loop import EVENTS_PER_POLL, NO_DEADLINE, READ, WRITE, Loop, Signal

MS = 1_000_000


async def fail(loop: Loop, pause: bool = False) -> None:
    if pause:
        await loop.pause()
    raise ValueError("a defect")


def test_run_returns_the_result_of_main() -> None:
    async def main(loop: Loop) -> int:
        await loop.pause()
        return 42

    assert run(main) == 42


def test_run_raises_the_error_of_main() -> None:
    with pytest.raises(ValueError, match="a defect"):
        run(fail)


def test_a_task_that_nobody_joins_tells_its_error() -> None:
    async def main(loop: Loop) -> None:
        loop.spawn(fail(loop), "failing")
        await loop.sleep_ms(1)

    run(main, expected_errors=1)


def test_whoever_joins_a_failing_task_sees_its_error_and_nobody_else_is_told() -> None:
    async def main(loop: Loop) -> BaseException | None:
        task = loop.spawn(fail(loop, pause=True), "failing")
        assert await loop.join(task)
        return task.error

    assert isinstance(run(main), ValueError)


def test_a_join_ends_at_its_deadline_and_the_task_goes_on() -> None:
    async def main(loop: Loop) -> list[bool]:
        task = loop.spawn(loop.sleep_ms(60), "sleeper")
        early = await loop.join(task, loop.deadline_in_ms(10))
        return [early, task.is_done, await loop.join(task), task.is_done, await loop.join(task)]

    assert run(main) == [False, False, True, True, True]


def test_a_cancelled_task_runs_its_finally_and_ends_without_error() -> None:
    seen = []

    async def sleeper(loop: Loop) -> None:
        try:
            await loop.sleep_ms(60_000)
        finally:
            seen.append("cleaned up")

    async def main(loop: Loop) -> object:
        task = loop.spawn(sleeper(loop), "sleeper")
        await loop.pause()
        loop.cancel(task)
        loop.cancel(task)
        assert await loop.join(task)
        loop.cancel(task)
        return task.error

    assert run(main) is None
    assert seen == ["cleaned up"]


def test_a_task_cancelled_before_it_began_still_cleans_up_what_it_was_given() -> None:
    left, right = socket.socketpair()

    async def owner(loop: Loop) -> None:
        try:
            await loop.sleep_ms(60_000)
        finally:
            left.close()

    async def main(loop: Loop) -> None:
        task = loop.spawn(owner(loop), "owner")
        loop.cancel(task)
        assert await loop.join(task)

    run(main)
    assert left.fileno() == -1
    right.close()


def test_a_cancelled_task_cannot_wait_again() -> None:
    async def stubborn(loop: Loop) -> None:
        try:
            await loop.sleep_ms(60_000)
        finally:
            await loop.sleep_ms(60_000)

    async def main(loop: Loop) -> float:
        task = loop.spawn(stubborn(loop), "stubborn")
        await loop.pause()
        begin = time.monotonic()
        loop.cancel(task)
        await loop.join(task)
        return time.monotonic() - begin

    assert run(main) < 10


def test_a_task_may_cancel_itself() -> None:
    async def main(loop: Loop) -> object:
        tasks = []

        async def suicidal() -> str:
            loop.cancel(tasks[0])
            await loop.sleep_ms(60_000)
            return "never"

        tasks.append(loop.spawn(suicidal(), "suicidal"))
        await loop.join(tasks[0])
        return tasks[0].result

    assert run(main) is None


def test_a_signal_lets_every_waiter_go_and_stays_set() -> None:
    async def main(loop: Loop) -> list[bool]:
        signal = Signal()
        answers: list[bool] = []

        async def waiter() -> None:
            answers.append(await loop.wait_signal(signal))

        tasks = [loop.spawn(waiter(), "waiter") for _ in range(3)]
        await loop.pause()
        loop.set_signal(signal)
        loop.clear_signal(signal)
        for task in tasks:
            await loop.join(task)
        loop.set_signal(signal)
        answers.append(await loop.wait_signal(signal))
        loop.clear_signal(signal)
        answers.append(await loop.wait_signal(signal, loop.deadline_in_ms(1)))
        return answers

    assert run(main) == [True, True, True, True, False]


@pytest.mark.parametrize("duration_ms", [0, 1, 3, 40])
def test_a_sleep_is_neither_early_nor_busy(duration_ms: int) -> None:
    async def main(loop: Loop) -> tuple[int, int]:
        polls, begin = polls_of(loop), time.monotonic_ns()
        await loop.sleep_ms(duration_ms)
        return time.monotonic_ns() - begin, polls_of(loop) - polls

    took_ns, polls = run(main)
    assert took_ns >= duration_ms * MS
    assert polls <= 4


def test_sleeps_end_in_order_of_their_deadlines() -> None:
    async def main(loop: Loop) -> list[int]:
        ended: list[int] = []

        async def sleeper(ms: int) -> None:
            await loop.sleep_ms(ms)
            ended.append(ms)

        tasks = [loop.spawn(sleeper(ms), "sleeper") for ms in (30, 10, 50, 20, 40)]
        await loop.pause()
        time.sleep(0.08)  # the process is busy: all of them are due at once
        for task in tasks:
            await loop.join(task)
        return ended

    assert run(main) == [10, 20, 30, 40, 50]


def test_a_busy_task_that_pauses_lets_the_others_run() -> None:
    async def main(loop: Loop) -> int:
        ticks = 0

        async def ticker() -> None:
            nonlocal ticks
            while True:
                await loop.pause()
                ticks += 1

        task = loop.spawn(ticker(), "ticker")
        for _ in range(10):
            await loop.pause()
        loop.cancel(task)
        await loop.join(task)
        return ticks

    assert run(main) >= 8


def test_hundreds_of_ready_descriptors_win_against_a_deadline_that_is_due() -> None:
    count = 3 * EVENTS_PER_POLL + 1
    pairs = [socket.socketpair() for _ in range(count)]

    async def main(loop: Loop) -> int:
        taken = 0

        async def reader(sock: socket.socket, deadline_ns: int) -> None:
            nonlocal taken
            sock.setblocking(False)
            loop.watch(sock.fileno())
            await loop.wait_fd(sock.fileno(), READ, deadline_ns)
            taken += len(sock.recv(1))
            loop.forget(sock.fileno())

        deadline_ns = loop.deadline_in_ms(400)
        tasks = [loop.spawn(reader(left, deadline_ns), "reader") for left, _ in pairs]
        await loop.sleep_ms(1)
        for _, right in pairs:
            right.send(b"x")
        time.sleep(0.5)
        for task in tasks:
            await loop.join(task)
        return taken

    try:
        assert run(main) == count
    finally:
        for pair in pairs:
            pair[0].close()
            pair[1].close()


def test_reading_and_writing_one_descriptor_are_two_waits() -> None:
    left, right = socket.socketpair()
    left.setblocking(False)

    async def main(loop: Loop) -> list[str]:
        seen: list[str] = []
        loop.watch(left.fileno())

        async def read() -> None:
            while True:
                try:
                    seen.append(f"read {left.recv(10)!r}")
                    return
                except BlockingIOError:
                    await loop.wait_fd(left.fileno(), READ)

        async def write() -> None:
            is_full = False
            while True:
                try:
                    left.send(bytes(65536))
                    if is_full:
                        seen.append("writable")
                        return
                except BlockingIOError:
                    if not is_full:
                        is_full = True
                        seen.append("full")
                        right.send(b"now")
                    await loop.wait_fd(left.fileno(), WRITE, NO_DEADLINE)

        tasks = [loop.spawn(read(), "read"), loop.spawn(write(), "write")]
        await loop.join(tasks[0])
        right.setblocking(False)
        while True:
            try:
                right.recv(1 << 20)
            except BlockingIOError:
                break
        await loop.join(tasks[1])
        loop.forget(left.fileno())
        return seen

    assert run(main) == ["full", "read b'now'", "writable"]
    left.close()
    right.close()


def test_a_pipe_whose_other_end_closes_wakes_reader_and_writer() -> None:
    """The kernel then tells EPOLLHUP or EPOLLERR alone, without EPOLLIN or EPOLLOUT."""
    (empty_reader, its_writer), (its_reader, full_writer) = os.pipe(), os.pipe()
    os.set_blocking(full_writer, False)
    os.write(full_writer, bytes(65536))

    async def main(loop: Loop) -> None:
        loop.watch(empty_reader)
        loop.watch(full_writer)
        far_ns = loop.deadline_in_ms(20_000)
        tasks = [
            loop.spawn(loop.wait_fd(empty_reader, READ, far_ns), "reader"),
            loop.spawn(loop.wait_fd(full_writer, WRITE, far_ns), "writer"),
        ]
        await loop.sleep_ms(1)
        assert [task.is_done for task in tasks] == [False, False]
        os.close(its_writer)
        os.close(its_reader)
        for task in tasks:
            await loop.join(task)
            assert task.error is None
        loop.forget(empty_reader)
        loop.forget(full_writer)

    run(main)
    os.close(empty_reader)
    os.close(full_writer)


def test_forgetting_a_descriptor_ends_the_wait_for_it() -> None:
    left, right = socket.socketpair()

    async def main(loop: Loop) -> bool:
        loop.watch(left.fileno())

        async def reader() -> None:
            await loop.wait_fd(left.fileno(), READ, loop.deadline_in_ms(60_000))

        task = loop.spawn(reader(), "reader")
        await loop.pause()
        loop.forget(left.fileno())
        loop.forget(left.fileno())
        await loop.join(task)
        return isinstance(task.error, DeadlinePassed)

    assert run(main) is False
    left.close()
    right.close()
