"""What a tracer's payload says about invocations: which traces are kept, which durable executions requests belong to.

Source: specification of traces, "Root span, priority, origin", "Sampled-out chunks" and "Durable execution".
"""

from __future__ import annotations

from typing import Final

from thimble.core.limits import DURABLE_CONTEXTS_MAX, ROOTLESS_SPANS_MAX
from thimble.core.logs.durable import SPAN_NAME, DurableContext, context_of_span

PLACEHOLDER_SPAN: Final = "dd-tracer-serverless-span"
"""Resource of the span by which a tracer hands over what it knows when the invocation's span is not its own."""

REQUEST_ID: Final = "request_id"
WANTED_META: Final = frozenset(
    (
        REQUEST_ID,
        "aws.durable.execution_id",
        "aws.durable.execution_name",
        "aws.durable.first_invocation",
        "aws.durable.execution_status",
    )
)
"""Tags of a span that are looked at."""

PRIORITY: Final = "_sampling_priority_v1"
"""The metric of a span that holds the sampling decision: above 0 the trace is kept."""


class Span:
    """The part of a span that is looked at.

    Attributes:
        meta: Those of `WANTED_META` that it has.
        priority: The sampling decision, or None if it has none.
    """

    def __init__(self) -> None:
        self.name = ""
        self.resource = ""
        self.trace_id = 0
        self.span_id = 0
        self.parent_id = 0
        self.meta: dict[str, str] = {}
        self.priority: float | None = None


class TraceFacts:
    """Collects what the chunks of one payload say. After each chunk's spans comes `end_chunk`.

    Attributes:
        span_count: Spans in all.
        kept_requests: Invocations whose trace is kept, as far as the spans name them; at most 500.
        is_unnamed_kept: Whether a trace is kept that names no invocation.
        contexts: Durable executions by request id; at most 500.
    """

    def __init__(self) -> None:
        self.span_count = 0
        self.kept_requests: list[str] = []
        self.is_unnamed_kept = False
        self.contexts: dict[str, DurableContext] = {}
        self._chunk_requests: list[str] = []
        self._chunk = ChunkPriority()

    def add(self, span: Span) -> None:
        """Take in the next span of the current chunk."""
        self.span_count += 1
        self._chunk.add(span)
        if not span.meta or (span.name != SPAN_NAME and span.resource != PLACEHOLDER_SPAN):
            return
        request_id = span.meta.get(REQUEST_ID)
        if request_id is not None and len(self._chunk_requests) < DURABLE_CONTEXTS_MAX:
            self._chunk_requests.append(request_id)
        told = context_of_span(span.name, span.meta)
        if told is not None and told[0] not in self.contexts and len(self.contexts) < DURABLE_CONTEXTS_MAX:
            self.contexts[told[0]] = told[1]

    def end_chunk(self) -> None:
        """The current chunk has no further span."""
        if self._chunk.is_kept():
            if not self._chunk_requests:
                self.is_unnamed_kept = True
            for request_id in self._chunk_requests:
                if request_id not in self.kept_requests and len(self.kept_requests) < DURABLE_CONTEXTS_MAX:
                    self.kept_requests.append(request_id)
        self._chunk_requests = []
        self._chunk = ChunkPriority()


class ChunkPriority:
    """The sampling decision of one chunk: that of its root, else of the first span that has one.

    The root is the last span without a parent; else the last one whose parent is not in the chunk; else the last one.
    """

    def __init__(self) -> None:
        self._root: Span | None = None
        self._first: float | None = None
        self._is_empty = True
        self._spans: list[Span] = []
        self._span_ids: set[int] = set()

    def add(self, span: Span) -> None:
        """Take in the next span."""
        self._is_empty = False
        if self._first is None:
            self._first = span.priority
        if not span.parent_id or span.parent_id == span.span_id == span.trace_id:
            self._root = span
            self._spans = []
            self._span_ids = set()
        elif self._root is None and len(self._spans) < ROOTLESS_SPANS_MAX:
            self._spans.append(span)
            self._span_ids.add(span.span_id)

    def is_kept(self) -> bool:
        """Whether the trace is one to keep: a chunk without any decision is, one without spans is not."""
        if self._is_empty:
            return False
        root = self._root or self._root_by_parent()
        priority = root.priority if root.priority is not None else self._first
        return priority is None or priority >= 1.0

    def _root_by_parent(self) -> Span:
        for span in reversed(self._spans):
            if span.parent_id not in self._span_ids:
                return span
        return self._spans[-1]
