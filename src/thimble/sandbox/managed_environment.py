"""An execution environment on Lambda Managed Instances."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from pathlib import Path

from thimble.sandbox import generation as phases
from thimble.sandbox import managed_phase
from thimble.sandbox.environment import Environment
from thimble.sandbox.generation import Fatal, Generation
from thimble.sandbox.init_phase import InitFailed
from thimble.sandbox.log_capture import LogPipe
from thimble.sandbox.runtime_side import Invocation

SOCKET_VARIABLE = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"


class ManagedEnvironment(Environment):
    """Serves several invocations at a time and is never frozen; a crash ends it, the next invocation opens anew."""

    async def open(self) -> None:
        await super().open()
        self._folder = tempfile.TemporaryDirectory(prefix="thimble-")
        path = Path(self._folder.name) / "log.sock"
        self._log_socket = socket.socket(socket.AF_UNIX)
        self._log_socket.bind(str(path))
        self._log_socket.listen()
        self._log_socket.setblocking(False)
        self._log_pipes: list[LogPipe] = []
        self.extra_runtime_env[SOCKET_VARIABLE] = str(path)
        asyncio.get_running_loop().add_reader(self._log_socket, self._accept_worker_log)

    def _accept_worker_log(self) -> None:
        """A worker connects twice: once for its stdout, once for its stderr."""
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._log_socket.accept()
            self._log_pipes.append(LogPipe(connection.detach(), self._take_line))

    def _take_line(self, text: str, time_us: int | None) -> None:
        if self.generation is not None:
            self.generation.hub.emit_log("function", text, time_us)

    @property
    def is_busy(self) -> bool:
        return False

    async def invoke(self, invocation: Invocation) -> None:
        async with self.lock:
            if self.generation is None:
                invocation.is_cold = True
                try:
                    await self._initialise("init", self._init_deadline_ns())
                except InitFailed as failure:
                    fatal = failure.fatal or Fatal("Sandbox.Timedout", "INIT timed out")
                    managed_phase.fail(self._present(), invocation, fatal)
                    await self._reset_after_init(failure)
                    return
        generation = self._present()
        self._set_deadline(invocation)
        if await managed_phase.run_invocation(generation, invocation):
            for pipe in self._log_pipes:
                pipe.drain()
        else:
            await self._discard(generation)

    async def _discard(self, generation: Generation) -> None:
        async with self.lock:
            if self.generation is generation and generation.phase not in (phases.SHUTDOWN, phases.GONE):
                await self._reset("failure")

    async def _close(self) -> None:
        for pipe in self._log_pipes:
            pipe.close()
        with contextlib.suppress(OSError, ValueError):
            asyncio.get_running_loop().remove_reader(self._log_socket)
        self._log_socket.close()
        self._folder.cleanup()
        await super()._close()
