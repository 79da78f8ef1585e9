"""Reads what processes print: pipes of stdout and stderr, and the framed log descriptor.

Reading is driven by the event loop, and `drain` reads at once what is there already, so that a line printed before an
API call is captured before the platform acts on that call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from thimble.sandbox.log_frames import FrameError, FrameSplitter, LineSplitter

_READ_BYTES = 256 * 1024

LineSink = Callable[[str, int | None], None]
"""Takes one record and, for frames, its own time in microseconds."""


class LogPipe:
    """One readable descriptor of a child process.

    Owns the descriptor: `close` (or the end of the stream) closes it.
    """

    def __init__(self, descriptor: int, sink: LineSink, *, is_framed: bool = False) -> None:
        self._descriptor = descriptor
        self._sink = sink
        self._lines = LineSplitter()
        self._frames = FrameSplitter() if is_framed else None
        self.is_open = True
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._on_readable)

    def _on_readable(self) -> None:
        self._read_once()

    def drain(self) -> None:
        """Take everything that is in the pipe now."""
        while self.is_open and self._read_once():
            pass

    def _read_once(self) -> bool:
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        if self._frames is not None:
            try:
                for message, time_us in self._frames.feed(data):
                    self._sink(message, time_us)
                return
            except FrameError as error:
                # Show what came, as lines from here on: losing it would hide the fault.
                self._sink(f"log descriptor out of step: {error}", None)
                self._frames = None
        for line in self._lines.feed(data):
            self._sink(line, None)

    def close(self) -> None:
        """Give out a partial last line and let the descriptor go."""
        if not self.is_open:
            return
        self.is_open = False
        for line in self._lines.finish():
            self._sink(line, None)
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
