"""From the bytes of a request to what they say: decompression, then JSON, protobuf or MessagePack.

Everything here is bounded and raises `DecodeError` only, whatever the bytes: a broken payload is a finding that the
console shows, not a crash of the sandbox.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgpack
import orjson
from backports import zstd

from .products import JSON, SKETCHES, STATS, TRACES
from .schemas import SchemaError, decode_message

RAW_BYTES_MAX: Final = 256 * 1024 * 1024
"""Decompressed bytes of one payload. The largest real one, sketches, ends at 62 MiB; more is refused as a bomb."""

_STEP_BYTES: Final = 1 << 20


class DecodeError(ValueError):
    """A body that is not what its headers promise. The text says what is wrong, in one sentence part."""


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo one `Content-Encoding`.

    Args:
        body: The body as it was on the wire.
        encoding: Header value, any case: empty, `identity`, `zstd`, `gzip` or `deflate`.

    Raises:
        DecodeError: Unknown encoding, damaged or incomplete data, or more than `RAW_BYTES_MAX`.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name == "zstd":
        return _unzstd(body)
    if name in ("gzip", "x-gzip"):
        return _inflate(body, 16 + zlib.MAX_WBITS)
    if name == "deflate":
        return _inflate(body, zlib.MAX_WBITS)
    raise DecodeError(f"unknown content encoding {encoding!r}")


def decode(raw: bytes, reading: str) -> Any:
    """Decode a decompressed body.

    Args:
        raw: The body.
        reading: One of the constants of `products`; `RAW` gives `None`.

    Raises:
        DecodeError: The body cannot be read that way.
    """
    if reading == JSON:
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise DecodeError(f"not JSON: {error}") from error
    try:
        if reading == SKETCHES:
            return decode_message("SketchPayload", raw)
        if reading == TRACES:
            return decode_message("AgentPayload", raw)
        if reading == STATS:
            return _stats(raw)
    except SchemaError as error:
        raise DecodeError(str(error)) from error
    return None


def count_items(content: Any, reading: str) -> int:
    """Count what a decoded body carries: log entries, series, sketches, spans, stats groups; else 1 when not empty."""
    if content is None:
        return 0
    if reading == SKETCHES:
        return len(content.get("sketches", ()))
    if reading == TRACES:
        return sum(len(chunk.get("spans", ())) for chunk in trace_chunks(content))
    if reading == STATS:
        return len(stats_groups(content))
    if isinstance(content, dict) and isinstance(content.get("series"), list):
        return len(content["series"])
    return len(content) if isinstance(content, list) else 1


def trace_chunks(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the chunks of a decoded `AgentPayload`, in order, over all tracer payloads."""
    return [chunk for payload in content.get("tracerPayloads", ()) for chunk in payload.get("chunks", ())]


def stats_groups(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the groups of a decoded stats payload, in order, over all clients and buckets."""
    return [
        group
        for client in content.get("Stats") or ()
        for bucket in client.get("Stats") or ()
        for group in bucket.get("Stats") or ()
    ]


def _stats(raw: bytes) -> dict[str, Any]:
    try:
        content = msgpack.unpackb(raw, strict_map_key=True)
    except (ValueError, RecursionError) as error:  # msgpack's own exceptions all derive from ValueError
        raise DecodeError(f"not MessagePack: {type(error).__name__} {error}") from error
    if not isinstance(content, dict):
        raise DecodeError(f"a stats payload is a map, this is a {type(content).__name__}")
    try:
        for group in stats_groups(content):
            for name in ("OkSummary", "ErrorSummary"):
                if group.get(name):
                    group[name] = decode_message("DDSketch", group[name])
    except (AttributeError, TypeError) as error:
        raise DecodeError(f"a stats payload of another shape: {error}") from error
    return content


def _unzstd(body: bytes) -> bytes:
    pieces: list[bytes] = []
    size = 0
    rest = body
    while rest:
        frame = zstd.ZstdDecompressor()
        while not frame.eof:
            try:
                piece = frame.decompress(rest, _STEP_BYTES)
            except zstd.ZstdError as error:
                raise DecodeError(f"damaged zstd data: {error}") from error
            rest = b""
            size += len(piece)
            pieces.append(_bounded(piece, size))
            if not piece and frame.needs_input:
                raise DecodeError("zstd data ends early")
        rest = frame.unused_data
    return b"".join(pieces)


def _inflate(body: bytes, window_bits: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    rest = body
    while rest:
        stream = zlib.decompressobj(window_bits)
        while True:
            try:
                piece = stream.decompress(rest, _STEP_BYTES)
            except zlib.error as error:
                raise DecodeError(f"damaged deflate data: {error}") from error
            rest = stream.unconsumed_tail
            size += len(piece)
            pieces.append(_bounded(piece, size))
            if stream.eof:
                break
            if not rest and not piece:
                raise DecodeError("deflate data ends early")
        rest = stream.unused_data
    return b"".join(pieces)


def _bounded(piece: bytes, size: int) -> bytes:
    if size > RAW_BYTES_MAX:
        raise DecodeError(f"more than {RAW_BYTES_MAX} bytes after decompression")
    return piece
