"""The store of metrics, and the scan of datagrams that fills it: the pure twin of `native/metric_store.pyx`.

A context is the kind, the name, the tags and the 10-second bucket of a metric. The store keeps one value or sketch for
each, in the order in which they came up, until it is cleared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from thimble.core.metrics.dogstatsd import RefusedLine, is_ignored, parse_line
from thimble.kernels import metric_codes as codes
from thimble.kernels.sketch_py import Sketch

if TYPE_CHECKING:
    from socket import socket as Socket

_MSG_DONTWAIT = 0x40
_MSG_TRUNC = 0x20
_DATAGRAMS_PER_CALL = 32


class _Context:
    """One context and what it holds."""

    def __init__(self, kind: int, name: bytes, tags: bytes, bucket_s: int) -> None:
        self.kind = kind
        self.name = name
        self.tags = tags
        self.bucket_s = bucket_s
        self.value = 0.0
        self.sketch = Sketch()


class MetricStore:
    """Contexts and their values.

    Args:
        contexts_max: Lines that would need more contexts are refused.
        datagram_bytes_max: Longer datagrams are cut.
        namespace: Goes before the names of what is scanned, with its full stop; b"" for none.
        unprefixed: Beginnings of names that it does not go before.
        maps_histograms: Take histograms and timers as distributions.

    Attributes:
        count: Contexts held.
        lines: Lines that were taken since the store was made.
    """

    def __init__(
        self,
        contexts_max: int,
        datagram_bytes_max: int,
        namespace: bytes,
        unprefixed: tuple[bytes, ...],
        maps_histograms: bool,
    ) -> None:
        self.count = 0
        self.lines = 0
        self._contexts_max = contexts_max
        self._datagram_bytes_max = datagram_bytes_max
        self._namespace = namespace
        self._unprefixed = unprefixed
        self._maps_histograms = maps_histograms
        self._contexts: dict[tuple[int, bytes, bytes, int], _Context] = {}
        self._series: set[tuple[int, bytes, bytes]] = set()
        self._in_order: list[_Context] = []
        self._text_bytes = 0
        self._refused = [0] * codes.REASONS
        self._refusals: list[tuple[int, bytes]] = []

    def receive(self, sock: Socket, now_s: int, datagrams_max: int) -> int:
        """Scan what waits in a socket, without waiting for more.

        Args:
            sock: A bound datagram socket.
            now_s: Unix seconds.
            datagrams_max: Stop soon after as many.

        Returns:
            The number of datagrams read.

        Raises:
            OSError: The socket failed; what had been read is scanned.
        """
        count = 0
        while count < datagrams_max:
            try:
                data, _, flags, _ = sock.recvmsg(self._datagram_bytes_max, 0, _MSG_DONTWAIT)
            except BlockingIOError:
                break
            count += 1
            self.scan(data, bool(flags & _MSG_TRUNC), now_s)
        return count

    def scan(self, datagram: bytes, is_cut: bool, now_s: int) -> None:
        """Take the lines of one datagram.

        Args:
            is_cut: Whether its end is missing, as it is beyond the longest datagram; the last line is then refused.
            now_s: Unix seconds.
        """
        if len(datagram) > self._datagram_bytes_max:
            datagram = datagram[: self._datagram_bytes_max]
            is_cut = True
        lines = datagram.split(b"\n")
        rest = lines.pop() if is_cut else b""
        for line in lines:
            if line and not is_ignored(line):
                try:
                    self._take(line, now_s)
                except RefusedLine as refused:
                    self._refuse(refused.code, line)
        if is_cut:
            self._refuse(codes.CUT, rest)

    def insert(self, kind: int, name: bytes, tags: bytes, timestamp_s: int, value: float, weight: float = 1.0) -> None:
        """Take a metric of our own: no namespace, and a higher limit.

        Args:
            tags: In canonical form.
            timestamp_s: Unix seconds; what is out of bounds is moved to the nearest.
            value: A finite number.
            weight: Samples that it stands for, at least 1.
        """
        try:
            context = self._context(kind, name, tags, timestamp_s, codes.CONTEXTS_HARD_MAX)
        except RefusedLine as refused:
            self._refuse(refused.code, name)
            return
        self._add(context, value, weight)

    def entry(self, index: int) -> tuple[int, bytes, bytes, int]:
        """Kind, name, canonical tags and bucket (Unix seconds) of a context; raises IndexError beyond `count`."""
        context = self._at(index)
        return context.kind, context.name, context.tags, context.bucket_s

    def value(self, index: int) -> float:
        """The value of a count or gauge."""
        return self._at(index).value

    def sketch(self, index: int) -> tuple[int, float, float, float, float, bytes, bytes]:
        """Count, minimum, maximum, average, sum, and the packed keys and counts of a distribution."""
        sketch = self._at(index).sketch
        keys, counts = sketch.packed()
        return sketch.count, sketch.minimum, sketch.maximum, sketch.average, sketch.total, keys, counts

    def clear(self) -> None:
        """Forget all contexts."""
        self._contexts.clear()
        self._series.clear()
        self._in_order = []
        self._text_bytes = 0
        self.count = 0

    def take_refused(self) -> list[int]:
        """Lines refused since the last call, per reason. Shape (REASONS,)."""
        refused, self._refused = self._refused, [0] * codes.REASONS
        return refused

    def take_refusals(self) -> list[tuple[int, bytes]]:
        """Reasons and beginnings of the first lines refused since the last call."""
        refusals, self._refusals = self._refusals, []
        return refusals

    def _at(self, index: int) -> _Context:
        if not 0 <= index < self.count:
            raise IndexError(f"context {index} of {self.count}")
        return self._in_order[index]

    def _take(self, line: bytes, now_s: int) -> None:
        sample = parse_line(line, self._maps_histograms)
        name = sample.name
        if self._namespace and not name.startswith(self._unprefixed):
            name = self._namespace + name
        timestamp_s = now_s
        if 0.0 < sample.timestamp_s < now_s:
            timestamp_s = math.floor(sample.timestamp_s)
            if sample.timestamp_s - timestamp_s >= 0.5:
                timestamp_s += 1
        context = self._context(sample.kind, name, sample.tags, timestamp_s, self._contexts_max)
        for value in sample.values:
            self._add(context, value, sample.weight)
        self.lines += 1

    def _context(self, kind: int, name: bytes, tags: bytes, timestamp_s: int, contexts_max: int) -> _Context:
        timestamp_s = max(min(timestamp_s, codes.TIMESTAMP_S_MAX), 0)
        bucket_s = timestamp_s - timestamp_s % codes.BUCKET_S
        key = (kind, name, tags, bucket_s)
        context = self._contexts.get(key)
        if context is None:
            series = key[:3]
            size = 0 if series in self._series else len(name) + len(tags)
            if self.count >= contexts_max or self._text_bytes + size > codes.TEXT_BYTES_MAX:
                raise RefusedLine(codes.CONTEXT_LIMIT)
            context = _Context(kind, name, tags, bucket_s)
            self._contexts[key] = context
            self._series.add(series)
            self._in_order.append(context)
            self._text_bytes += size
            self.count += 1
        return context

    def _add(self, context: _Context, value: float, weight: float) -> None:
        if context.kind == codes.COUNT:
            context.value += value * weight
        elif context.kind == codes.GAUGE:
            context.value = value
        else:
            context.sketch.insert(value, weight)

    def _refuse(self, code: int, line: bytes) -> None:
        self._refused[code] += 1
        if len(self._refusals) < codes.REFUSALS_MAX:
            self._refusals.append((code, line[: codes.REFUSED_BYTES_MAX]))
