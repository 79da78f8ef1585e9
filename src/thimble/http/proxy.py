"""Which requests go through a proxy, and how the proxy is asked.

The rules of `NO_PROXY` are those that curl, Go and Python agree on: an entry is a host (itself and all that ends with
`.host`; a leading dot changes nothing), an address, an address range in CIDR form, or `*`; with `:port` it holds for
that port only. Blanks around entries and letter case do not matter.
"""

from __future__ import annotations

import _socket
import binascii
from typing import Final

from ..reactor.resolver import literal_address
from .messages import Target, parse_url

PROXY_PORT: Final = 80


class Proxy:
    """An HTTP proxy that opens tunnels."""

    def __init__(self, host: str, port: int, is_tls: bool, authorization: str) -> None:
        self.host = host
        self.port = port
        self.is_tls = is_tls
        self.authorization = authorization
        """Value of `Proxy-Authorization`, or ""."""

    def connect_request(self, target: Target) -> bytes:
        """The request that opens a tunnel to `target`. Source: RFC 9110, 9.3.6."""
        host = f"[{target.host}]" if ":" in target.host else target.host
        authority = f"{host}:{target.port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"host: {authority}"]
        if self.authorization:
            lines.append(f"proxy-authorization: {self.authorization}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def parse_proxy(url: str) -> Proxy:
    """Read `[http[s]://][user[:password]@]host[:port]`.

    Raises:
        ValueError: It is no such thing; the text does not repeat a password.
    """
    text = url.strip().rstrip("/")
    if "://" not in text:
        text = "http://" + text
    scheme, _, rest = text.partition("://")
    userinfo, at, authority = rest.rpartition("@")
    try:
        target = parse_url(f"{scheme}://{authority}")
    except ValueError:
        raise ValueError("not the URL of an HTTP proxy") from None
    authorization = ""
    if at:
        token = binascii.b2a_base64(_unquote(userinfo), newline=False).decode("ascii")
        authorization = f"Basic {token}"
    return Proxy(target.host, target.port, target.is_tls, authorization)


class ProxyRules:
    """One proxy for `https://` targets, and who is excepted.

    Args:
        proxy: None means that everything goes direct.
        exceptions: Entries as in `NO_PROXY`, one each.
    """

    def __init__(self, proxy: Proxy | None, exceptions: list[str]) -> None:
        self._proxy = proxy
        self._exceptions = [entry.strip().lower() for entry in exceptions if entry.strip()]

    def proxy_for(self, target: Target) -> Proxy | None:
        """The proxy for a request, or None for a direct connection."""
        if self._proxy is None or not target.is_tls:
            return None
        for entry in self._exceptions:
            if excepts(entry, target.host.lower(), target.port):
                return None
        return self._proxy


def excepts(entry: str, host: str, port: int) -> bool:
    """Whether one entry of `NO_PROXY` excepts a host. Both in lower case; an IPv6 host without brackets."""
    if entry == "*":
        return True
    name, entry_port = _split_port(entry)
    if entry_port >= 0 and entry_port != port:
        return False
    host_address = _address(host)
    if "/" in name:
        return host_address != b"" and _is_in_range(host_address, name)
    entry_address = _address(name)
    if entry_address or host_address:
        return entry_address == host_address
    name = name.removeprefix("*").lstrip(".")
    return name != "" and (host == name or host.endswith("." + name))


def _split_port(entry: str) -> tuple[str, int]:
    """The entry without its port, and the port or -1."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        digits = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, digits = entry.partition(":")
    else:
        return entry, -1
    return name, int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else -1


def _address(host: str) -> bytes:
    """The bytes of a numeric address, or nothing for a name."""
    literal = literal_address(host)
    return b"" if literal is None else _socket.inet_pton(literal[0], literal[1])


def _is_in_range(address: bytes, entry: str) -> bool:
    base_text, _, digits = entry.partition("/")
    base = _address(base_text)
    if len(base) != len(address) or not (digits.isascii() and digits.isdigit()):
        return False
    free_bits = len(base) * 8 - int(digits)
    if free_bits < 0:
        return False
    return int.from_bytes(base, "big") >> free_bits == int.from_bytes(address, "big") >> free_bits


def _unquote(text: str) -> bytes:
    """Resolve percent-encoding; a `%` that begins none stays."""
    parts = text.encode("utf-8").split(b"%")
    out = [parts[0]]
    for part in parts[1:]:
        try:
            out.append(binascii.unhexlify(part[:2]) + part[2:])
        except (binascii.Error, ValueError):
            out.append(b"%" + part)
    return b"".join(out)
