"""One request that the local intake got, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from .decode import DecodeError, count_items, decode, decompress
from .products import Product

_UNTOLD = ("dd-api-key", "authorization", "proxy-authorization")


class Received:
    """A request to the intake. It is decoded when somebody looks, so receiving stays cheap.

    Attributes:
        number: 0 for the first request of this intake, then counting.
        time_s: `time.monotonic()` when its body had been read.
        wall_ms: Wall clock then, milliseconds since the epoch.
        product: What it is for.
        method, path, query: The request line, path and query apart.
        headers: Header name to value; the mapping ignores case.
        body: The bytes on the wire, after removal of the chunked framing.
        peer_port: Client's port: two requests on one connection share it.
        answer: What the intake did: a status, a word of `intake_faults.CUTS`, `gone` when the client left before the
            answer, or 0 while the answer is held back.
        answered_s: `time.monotonic()` when the answer had been written; 0.0 before.
    """

    def __init__(
        self,
        number: int,
        time_s: float,
        wall_ms: int,
        product: Product,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        peer_port: int,
    ) -> None:
        self.number = number
        self.time_s = time_s
        self.wall_ms = wall_ms
        self.product = product
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer_port = peer_port
        self.answer: int | str = 0
        self.answered_s = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the client was told that its data is safe here."""
        return isinstance(self.answer, int) and 200 <= self.answer < 300

    @property
    def wire_bytes(self) -> int:
        """Size of the body on the wire."""
        return len(self.body)

    @property
    def content_encoding(self) -> str:
        """The `Content-Encoding`, lower-case; empty when the body is not compressed."""
        return self.headers.get("Content-Encoding", "").strip().lower()

    @cached_property
    def raw(self) -> bytes:
        """The decompressed body. Raises DecodeError."""
        return decompress(self.body, self.content_encoding)

    @cached_property
    def raw_bytes(self) -> int:
        """Size of the decompressed body; that of the wire body when it cannot be decompressed."""
        try:
            return len(self.raw)
        except DecodeError:
            return len(self.body)

    @cached_property
    def _outcome(self) -> tuple[Any, str]:
        try:
            return decode(self.raw, self.product.reading), ""
        except DecodeError as problem:
            return None, str(problem)

    @property
    def content(self) -> Any:
        """The decoded body, `None` when it is not decodable: `problem` says why, and is empty for raw products."""
        return self._outcome[0]

    @property
    def problem(self) -> str:
        """Why `content` is missing; empty when all is well."""
        return self._outcome[1]

    @cached_property
    def item_count(self) -> int:
        """Log entries, series, sketches, spans or stats groups in it; 0 when it is not decodable."""
        return count_items(self.content, self.product.reading)

    def forget(self) -> None:
        """Drop the decompressed and decoded forms from memory; they are made again when somebody looks."""
        self.__dict__.pop("raw", None)
        self.__dict__.pop("_outcome", None)

    def as_dict(self, with_content: bool = True) -> dict[str, Any]:
        """Describe it for JSON, without keys: secrets in headers are replaced by their length."""
        described: dict[str, Any] = {
            "number": self.number,
            "wall_ms": self.wall_ms,
            "product": self.product.name,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": {name: _told(name, value) for name, value in self.headers.items()},
            "answer": self.answer,
            "wire_bytes": self.wire_bytes,
            "raw_bytes": self.raw_bytes,
            "item_count": self.item_count,
            "problem": self.problem,
        }
        if with_content:
            described["content"] = self.content
        return described


def _told(name: str, value: str) -> str:
    return f"({len(value)} characters)" if name.lower() in _UNTOLD else value
