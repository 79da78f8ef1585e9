"""Host names to addresses, in a thread, because `getaddrinfo` blocks.

One thread per host, at most `LOOKUPS_MAX` at a time, started only when there is something to look up: literal addresses
never get here, and who asks for a host that is being looked up waits with the others. A thread writes its answer into
the lookup and then one byte into a pipe that the loop watches. The pipe stays open, since a thread cannot be stopped.
"""

from __future__ import annotations

import _socket
import _thread
import posix
from typing import TYPE_CHECKING, Final

from .errors import NameNotResolved
from .loop import READ, Loop, Signal

if TYPE_CHECKING:
    from typing import Any

LOOKUPS_MAX: Final = 4
STACK_BYTES: Final = 256 * 1024


class _Lookup:
    def __init__(self, host: str) -> None:
        self.host = host
        self.done = Signal()
        self.is_answered = False
        self.addresses: list[tuple[int, str]] = []
        self.error = ""


class Resolver:
    """Looks host names up. Nothing is cached: a flush resolves once, and a sandbox may sleep for hours between two."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lookups: list[_Lookup] = []
        self._pipe: tuple[int, int] | None = None

    async def resolve(self, host: str, port: int, deadline_ns: int) -> list[tuple[int, str]]:
        """Return `(family, numeric address)` pairs in the order to try them; never empty.

        Raises:
            NameNotResolved: There is no such host, no answer in time, or too many lookups are already open.
        """
        literal = literal_address(host)
        if literal is not None:
            return [literal]
        lookup = self._open_lookup(host) or self._start(host, port)
        if not await self._loop.wait_signal(lookup.done, deadline_ns):
            raise NameNotResolved(f"{host}: no answer in time")
        if lookup.error or not lookup.addresses:
            raise NameNotResolved(f"{host}: {lookup.error or 'no address'}")
        return lookup.addresses

    def _open_lookup(self, host: str) -> _Lookup | None:
        for lookup in self._lookups:
            if lookup.host == host:
                return lookup
        return None

    def _start(self, host: str, port: int) -> _Lookup:
        if len(self._lookups) >= LOOKUPS_MAX:
            raise NameNotResolved(f"{host}: {LOOKUPS_MAX} lookups are open already")
        if self._pipe is None:
            self._open_pipe()
        lookup = _Lookup(host)
        _thread.stack_size(STACK_BYTES)
        try:
            _thread.start_new_thread(self._run, (lookup, port))
        except RuntimeError as error:
            raise NameNotResolved(f"{host}: {error}") from None
        self._lookups.append(lookup)
        return lookup

    def _open_pipe(self) -> None:
        try:
            reader, writer = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        except OSError as error:
            raise NameNotResolved(f"no lookup possible: {error.strerror}") from None
        self._pipe = (reader, writer)
        self._loop.watch(reader)
        self._loop.spawn(self._collect(reader), "resolver")

    async def _collect(self, reader: int) -> None:
        while True:
            await self._loop.wait_fd(reader, READ)
            try:
                posix.read(reader, 64)
            except BlockingIOError:
                continue
            for lookup in [lookup for lookup in self._lookups if lookup.is_answered]:
                self._lookups.remove(lookup)
                self._loop.set_signal(lookup.done)

    def _run(self, lookup: _Lookup, port: int) -> None:
        """Runs in the thread; touches nothing of the loop."""
        try:
            # Bytes, because a text would load the IDNA codec and with it `re` and `enum`: 8 ms.
            host = lookup.host.encode("ascii")
            found: list[Any] = _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM)
            lookup.addresses = [(entry[0], entry[4][0]) for entry in found]
        except OSError as error:
            lookup.error = error.strerror or str(error)
        except Exception as other:  # not ASCII, a NUL in it: whatever it is, whoever waits must hear of it
            lookup.error = "not an ASCII host name" if isinstance(other, UnicodeError) else str(other)
        lookup.is_answered = True
        if self._pipe is not None:
            posix.write(self._pipe[1], b"\0")


def literal_address(host: str) -> tuple[int, str] | None:
    """The family of a numeric address, or None for a name. IPv6 may stand in brackets."""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if ":" in host:
        family = int(_socket.AF_INET6)
    elif host and host[-1].isdigit():
        family = int(_socket.AF_INET)
    else:
        return None
    try:
        _socket.inet_pton(family, host)
    except OSError:
        return None
    return (family, host)
