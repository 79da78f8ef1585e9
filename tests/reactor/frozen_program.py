"""Waits for an answer with a deadline while its parent stops and continues it: `frozen_program.py PORT DEADLINE_MS`.

Prints `waiting` when it begins to wait, then what it got: `answer ...` or `deadline`, and how many freezes were seen.
"""

from __future__ import annotations

import select
import sys
import time
from itertools import pairwise

from thimble.reactor.errors import DeadlinePassed
from thimble.reactor.loop import Loop, Task
from thimble.reactor.streams import connect


def tell_error(task: Task) -> None:
    print(f"error {task.name} {task.error!r}", flush=True)


async def ticker(loop: Loop, ticks: list[int]) -> None:
    """A flush timer: after a freeze it may fire once, not for every period missed."""
    while True:
        await loop.sleep_ms(100)
        ticks.append(time.monotonic_ns())


async def main(loop: Loop) -> None:
    port, deadline_ms = int(sys.argv[1]), int(sys.argv[2])
    stream = await connect(loop, 2, "127.0.0.1", port, loop.deadline_in_ms(5_000))
    ticks: list[int] = []
    timer = loop.spawn(ticker(loop, ticks), "ticker")
    print("waiting", flush=True)
    begun_ns = loop.now_ns()
    try:
        answer = await stream.receive(100, loop.deadline_in_ms(deadline_ms))
        found = f"answer {answer.decode()}"
    except DeadlinePassed:
        found = "deadline"
    lived_ms = (loop.now_ns() - begun_ns) // 1_000_000
    loop.cancel(timer)
    await loop.join(timer)
    stream.close()
    bursts = sum(1 for before, after in pairwise(ticks) if after - before < 80_000_000)
    print(f"{found}; freezes {loop.freezes}; lived {lived_ms}; bursts {bursts}", flush=True)


loop = Loop(select.epoll(), time.monotonic_ns, tell_error)
loop.run(main(loop))
