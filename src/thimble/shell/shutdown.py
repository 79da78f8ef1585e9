"""The shutdown: take in what still comes, stop the servers, send everything, and say what was lost.

The platform kills us at the deadline, so every step has its share of the budget. Sending begins at once; what arrives
in the quiet period, the last `platform.report` above all, goes out with a second flush.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from thimble.core.limits import SHUTDOWN_QUIET_MS
from thimble.http.server import HttpServer
from thimble.reactor.loop import Loop
from thimble.shell.flusher import Flusher
from thimble.shell.invocations import InvocationLoop
from thimble.shell.log import Log
from thimble.shell.sandbox_metrics import SandboxMetrics

if TYPE_CHECKING:
    from thimble.core.drops import Drops

QUIET_STEP_MS: Final = 20
SERVERS_SHARE: Final = 4
"""The servers get a quarter of what is left to finish the requests that run."""


async def shut_down(
    loop: Loop,
    invocations: InvocationLoop,
    servers: list[HttpServer],
    flusher: Flusher,
    metrics: SandboxMetrics,
    drops: Drops,
    log: Log,
    budget_ms: int,
) -> None:
    """Bring the process to its end within `budget_ms`."""
    deadline_ns = loop.deadline_in_ms(budget_ms)
    metrics.on_shutdown()
    flusher.start()
    quiet_ns = min(loop.deadline_in_ms(SHUTDOWN_QUIET_MS), deadline_ns)
    while invocations.is_report_missing and loop.now_ns() < quiet_ns:
        await loop.sleep_ms(QUIET_STEP_MS)
    await loop.sleep_until(min(loop.deadline_in_ms(QUIET_STEP_MS), deadline_ns))
    left_ms = max(deadline_ns - loop.now_ns(), 0) // 1_000_000
    for server in servers:
        await server.stop(loop.deadline_in_ms(left_ms // SERVERS_SHARE))
    await flusher.flush(deadline_ns, True)
    flusher.drop_all()
    losses = drops.report()
    if losses:
        log.warn(f"EXTENSION | Lost in this sandbox: {', '.join(losses)}.")
