"""When the secret source is asked, who waits for it, and which key is in use meanwhile; on the real event loop."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Coroutine

import pytest

from thimble.core.codec.log_line import INFO
from thimble.reactor.loop import Loop, Signal, Task
from thimble.shell.api_key import LATE_WAIT_MS, ApiKeySource, KeyUnresolved
from thimble.shell.log import Log


class Source:
    """A secret source that answers when it is told to, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.now_ms = 1_000_000
        self.loop = Loop(select.epoll(), time.monotonic_ns, self._on_task_error)
        self.asked = 0
        self._answer = Signal()
        self._outcome: str | BaseException = ""
        self.log = Log(INFO, lambda _, data: self.lines.append(data), lambda: self.now_ms)

    def _on_task_error(self, task: Task) -> None:
        raise AssertionError(f"{task.name}: {task.error!r}")

    async def resolve(self) -> str:
        self.asked += 1
        await self.loop.wait_signal(self._answer)
        self.loop.clear_signal(self._answer)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    async def answer(self, outcome: str | BaseException) -> None:
        """Let the attempt under way end so."""
        self._outcome = outcome
        self.loop.set_signal(self._answer)
        for _ in range(3):
            await self.loop.pause()

    def key(self, *, plain: str = "", reload_s: int = 0, is_allowed: bool = True) -> ApiKeySource:
        clock = lambda: self.now_ms  # noqa: E731
        return ApiKeySource(self.loop, self.log, clock, plain, self.resolve, reload_s * 1000, is_allowed)

    def text(self) -> str:
        return b"".join(self.lines).decode()


def run(play: Callable[[Source], Coroutine[None, None, None]]) -> None:
    source = Source()
    source.loop.run(play(source))


def test_a_plain_key_is_there_at_once_and_starts_no_task() -> None:
    source = Source()
    key = ApiKeySource(source.loop, source.log, lambda: 0, " ab cd\n\n", None, 0, True)
    key.refresh()
    key.on_invoke()
    assert key.value == "abcd"
    assert not key.may_come
    assert not key.is_resolving
    assert source.loop.tasks == []


def test_a_secret_source_is_asked_once_for_all_who_wait_and_its_answer_is_kept() -> None:
    async def play(source: Source) -> None:
        key = source.key(plain="not-used")
        assert key.value == ""
        key.refresh()
        key.refresh()
        waiters = [source.loop.spawn(key.wait(), "waiter") for _ in range(3)]
        await source.loop.pause()
        assert source.asked == 1
        assert key.is_resolving
        assert not any(waiter.is_done for waiter in waiters)
        await source.answer("  s3cr3t\r\n")
        for waiter in waiters:
            await source.loop.join(waiter)
        assert key.value == "s3cr3t"
        assert not key.may_come
        source.now_ms += 10**9
        key.on_invoke()
        assert not key.is_resolving
        assert source.asked == 1
        assert source.lines == []

    run(play)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (KeyUnresolved("ssm:GetParameter on x: no"), "Error decrypting key: ssm:GetParameter on x: no"),
        (RuntimeError("a defect"), "Error decrypting key: RuntimeError: a defect"),
        (" \n", "API key has invalid format"),
    ],
    ids=["refused", "defect", "blank"],
)
def test_a_failure_is_said_and_tried_again_later_and_later(outcome: str | BaseException, words: str) -> None:
    async def play(source: Source) -> None:
        key = source.key(plain="never-used-instead")
        for pause_s in (10, 20, 40, 60, 60):
            key.refresh()
            assert key.is_resolving
            await source.loop.pause()
            await source.answer(outcome)
            assert not key.is_resolving
            assert key.may_come
            assert key.value == ""
            source.now_ms += pause_s * 1000 - 1
            key.on_invoke()
            assert not key.is_resolving, f"asked again before {pause_s} s were over"
            source.now_ms += 1
        assert words in source.text()
        assert len(source.lines) <= 4, "at most one line in a minute"
        key.refresh()
        await source.loop.pause()
        await source.answer("late")
        assert key.value == "late"

    run(play)


def test_before_the_first_invocation_of_a_restored_process_nothing_is_asked() -> None:
    async def play(source: Source) -> None:
        key = source.key(is_allowed=False)
        key.refresh()
        assert not key.is_resolving
        assert key.may_come
        key.on_invoke()
        assert key.is_resolving
        await source.loop.pause()
        await source.answer("k")
        assert key.value == "k"

    run(play)


def test_after_the_reload_interval_the_old_key_stays_in_use_until_the_new_one_is_there() -> None:
    async def play(source: Source) -> None:
        key = source.key(reload_s=60)
        key.refresh()
        await source.loop.pause()
        await source.answer("old")
        source.now_ms += 59_999
        key.refresh()
        assert not key.is_resolving
        source.now_ms += 1
        key.refresh()
        await source.loop.pause()
        assert key.is_resolving
        assert key.value == "old"
        await source.answer("new")
        assert key.value == "new"
        source.now_ms += 60_000
        key.refresh()
        await source.loop.pause()
        await source.answer(KeyUnresolved("gone"))
        assert key.value == "new", "a failed reload must not take the key away"
        assert key.may_come
        source.now_ms += 10_000
        key.refresh()
        assert key.is_resolving
        await source.loop.pause()
        await source.answer("newest")
        assert key.value == "newest"

    run(play)


def test_the_first_attempt_is_waited_for_as_long_as_it_takes_and_a_later_one_is_not() -> None:
    async def play(source: Source) -> None:
        key = source.key()
        key.refresh()
        first = source.loop.spawn(key.wait(), "waiter")
        assert not await source.loop.join(first, source.loop.deadline_in_ms(2 * LATE_WAIT_MS))
        await source.answer(KeyUnresolved("no"))
        assert await source.loop.join(first, source.loop.deadline_in_ms(LATE_WAIT_MS))
        source.now_ms += 10_000
        key.refresh()
        began_ns = source.loop.now_ns()
        await key.wait()
        assert LATE_WAIT_MS <= (source.loop.now_ns() - began_ns) / 1e6 < 4 * LATE_WAIT_MS
        assert key.is_resolving

    run(play)
