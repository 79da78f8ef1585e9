"""TLS by the interpreter's own `_ssl` over memory buffers.

`_ssl` is imported at the first use: with the first context it costs some 4 ms and 1 MB that a process without HTTPS
targets never pays. The `ssl` module would cost three times that. `_ssl` is private to CPython, so the bundle pins the
minor version, and the tests meet real peers.

Trust comes from a hashed directory of certificates (OpenSSL `capath`): only the root that a handshake needs is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import ConnectionFailed, DeadlinePassed, TlsFailed
from .loop import NO_DEADLINE
from .streams import RECEIVE_BYTES, ByteStream

if TYPE_CHECKING:
    from typing import Any

PROTOCOL_TLS_CLIENT: Final = 16
CERT_NONE: Final = 0
CERT_REQUIRED: Final = 2
TLS_1_2: Final = 0x0303
RECORD_BYTES_MAX: Final = 16_384
UNKNOWN_ISSUER_CODES: Final = (2, 18, 19, 20, 21)
"""X509_V_ERR_*: no issuer, self-signed leaf, self-signed in the chain, no local issuer, leaf not verified."""


SESSIONS_MAX: Final = 16
"""Hosts whose last session is remembered; the oldest is forgotten."""


class TlsContext:
    """The client's settings for every connection to one kind of peer.

    The last session of each host is remembered: no connection outlives a flush, and a resumed handshake costs a third
    of a full one. A peer that does not know the session any more makes a full handshake of it.
    """

    def __init__(self, ca_directory: str, ca_file: str, is_verified: bool) -> None:
        """Read the trusted roots.

        Args:
            ca_directory: Hashed directory of trusted roots; "" for none.
            ca_file: PEM file with further roots; "" for none.
            is_verified: Whether chain and host name are checked.

        Raises:
            TlsFailed: A file cannot be read, or holds no certificate.
        """
        import _ssl

        context: Any = _ssl._SSLContext(PROTOCOL_TLS_CLIENT)
        context.minimum_version = TLS_1_2
        if is_verified:
            context.verify_mode = CERT_REQUIRED
            context.check_hostname = True
            try:
                if ca_directory:
                    context.load_verify_locations(None, ca_directory, None)
                if ca_file:
                    context.load_verify_locations(ca_file, None, None)
            except OSError as error:
                raise TlsFailed(f"{ca_file or ca_directory}: {error.strerror or error}") from None
        else:
            context.check_hostname = False
            context.verify_mode = CERT_NONE
        context._set_alpn_protocols(b"\x08http/1.1")
        self._context = context
        self._want_read: type[BaseException] = _ssl.SSLWantReadError
        self._error: type[BaseException] = _ssl.SSLError
        self._sessions: dict[str, Any] = {}

    def keep_session(self, host: str, session: Any) -> None:
        """Remember the session of a connection that was verified and has served."""
        self._sessions.pop(host, None)
        if len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[host] = session

    def wrap_bio(self, incoming: Any, outgoing: Any, host: str) -> Any:
        """The TLS object of a new connection; it resumes the host's last session if there is one."""
        return self._context._wrap_bio(incoming, outgoing, False, host, session=self._sessions.get(host))

    async def wrap(self, raw: ByteStream, host: str, deadline_ns: int) -> TlsStream:
        """Shake hands over an open connection.

        Raises:
            TlsFailed: The handshake failed; the text names the reason. The raw stream is closed.
            DeadlinePassed, ConnectionFailed: As of the raw stream, which is closed.
        """
        import _ssl

        try:
            stream = TlsStream(raw, self, _ssl.MemoryBIO(), _ssl.MemoryBIO(), host)
            await stream.shake_hands(deadline_ns)
        except DeadlinePassed:
            raw.close()
            raise DeadlinePassed("no end of the TLS handshake in time") from None
        except BaseException:
            raw.close()
            raise
        return stream


class TlsStream(ByteStream):
    """A TLS connection over another stream, which it owns. One task at a time uses it."""

    def __init__(self, raw: ByteStream, context: TlsContext, incoming: Any, outgoing: Any, host: str) -> None:
        self._raw = raw
        self._incoming = incoming
        self._outgoing = outgoing
        self._want_read = context._want_read
        self._error = context._error
        self._context = context
        self._host = host
        self._has_served = False
        try:
            self._tls: Any = context.wrap_bio(incoming, outgoing, host)
        except (ValueError, TypeError) as error:  # not a host name: empty, not ASCII, a NUL in it
            raise TlsFailed(f"{host}: {error}") from None

    async def shake_hands(self, deadline_ns: int) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except self._want_read:
                await self._flush(deadline_ns)
                await self._fill(deadline_ns, "the TLS handshake")
                continue
            except self._error as error:
                try:
                    await self._flush(deadline_ns)  # the alert tells the peer why
                except ConnectionFailed:
                    pass
                raise TlsFailed(_reason(error) + self._issuer_seen(error)) from None
            await self._flush(deadline_ns)
            return

    async def receive(self, size_max: int, deadline_ns: int = NO_DEADLINE) -> bytes:
        while True:
            try:
                data: bytes = self._tls.read(min(size_max, RECORD_BYTES_MAX))
                self._has_served = True
                return data
            except self._want_read:
                await self._flush(deadline_ns)
                await self._fill(deadline_ns, "a TLS record")
            except self._error as error:
                raise TlsFailed(_reason(error)) from None

    async def send(self, data: bytes, deadline_ns: int = NO_DEADLINE) -> None:
        view = memoryview(data)
        at = 0
        while at < len(data):
            # In slices, so that the ciphertext that waits in memory stays small whatever the payload.
            try:
                at += self._tls.write(view[at : at + RECEIVE_BYTES])
            except self._want_read:  # the peer renegotiates, and is not done yet
                await self._flush(deadline_ns)
                await self._fill(deadline_ns, "a TLS renegotiation")
            except self._error as error:
                raise TlsFailed(_reason(error)) from None
            await self._flush(deadline_ns)

    def close(self) -> None:
        if self._has_served:
            # Only now: in TLS 1.3 the ticket that resumes a session comes after the handshake.
            self._has_served = False
            self._context.keep_session(self._host, self._tls.session)
        self._raw.close()

    @property
    def is_resumed(self) -> bool:
        """Whether the handshake continued an earlier session."""
        return bool(self._tls.session_reused)

    def _issuer_seen(self, error: BaseException) -> str:
        """Who signed what the peer showed, for an unknown issuer: often a proxy that inspects TLS.

        The last certificate of the peer's chain is the one whose issuer ought to be among the trusted roots.
        """
        if getattr(error, "verify_code", 0) not in UNKNOWN_ISSUER_CODES:
            return ""
        chain: list[Any] | None = self._tls.get_unverified_chain()
        if not chain:
            return ""
        parts: list[str] = []
        for relative_name in chain[-1].get_info()["issuer"]:
            for name, value in relative_name:
                parts.append(f"{name}={value}")
        return f"; issued by {', '.join(parts)}"

    async def _flush(self, deadline_ns: int) -> None:
        if self._outgoing.pending:
            await self._raw.send(self._outgoing.read(), deadline_ns)

    async def _fill(self, deadline_ns: int, during: str) -> None:
        data = await self._raw.receive(RECEIVE_BYTES, deadline_ns)
        if not data:
            raise TlsFailed(f"the peer closed the connection during {during}")
        self._incoming.write(data)


def _reason(error: BaseException) -> str:
    """The useful half of an OpenSSL error: what failed, without the source line of the interpreter."""
    verify: str | None = getattr(error, "verify_message", None)
    if verify:
        return f"certificate not accepted: {verify}"
    text: str = getattr(error, "reason", None) or str(error)
    return text.lower().replace("_", " ")
