"""Kinds of metrics, and why a line was refused. Both twins of the metric store speak in these."""

from __future__ import annotations

from typing import Final

COUNT: Final = 0
GAUGE: Final = 1
DISTRIBUTION: Final = 2

FORMAT: Final = 0
"""A line that is not `name:values|type...`."""

VALUE: Final = 1
"""A value that is no finite number."""

UNSUPPORTED_TYPE: Final = 2
"""A histogram, timer or set: clients send them all the time, so it is said only to who debugs."""

UNKNOWN_TYPE: Final = 3
TAGS: Final = 4
"""More than 100 tags."""

TIMESTAMP: Final = 5
RATE: Final = 6
ENCODING: Final = 7
"""Not UTF-8."""

CUT: Final = 8
"""The last line of a datagram that was longer than the buffer."""

CONTEXT_LIMIT: Final = 9
"""A well-formed line of a context for which there is no room before the next flush."""

REASONS: Final = 10

REASON_NAMES: Final = (
    "format",
    "value",
    "unsupported_type",
    "unknown_type",
    "too_many_tags",
    "timestamp",
    "rate",
    "not_utf8",
    "cut_datagram",
    "context_limit",
)

REFUSALS_MAX: Final = 16
"""Lines that are kept, to be named in a warning, between two looks at them; further ones are only counted."""

REFUSED_BYTES_MAX: Final = 200
"""How much of such a line is kept."""

TAGS_MAX: Final = 100
CONTEXTS_HARD_MAX: Final = 65536
"""Contexts with those of our own metrics, which the limit for the function's does not touch."""

TEXT_BYTES_MAX: Final = 16 << 20
"""Names and tags of all contexts. As with the limit of contexts, further ones are refused until a flush."""

WEIGHT_MAX: Final = 4_194_240.0
"""Samples that one distribution value may stand for, 64 full bins: rates below 2.4e-7 are no sampling."""

BINS_HARD_MAX: Final = 8192
"""Bins of a sketch with those that overflowed. Beyond it the leftmost are left out, their samples still counted."""

BUCKET_S: Final = 10
TIMESTAMP_S_MAX: Final = 42_949_672_950
"""The latest time that can be told apart, in the year 3330; the earliest is 0."""

IGNORED_PREFIXES: Final = (b"_sc|", b"_e{", b"aws.lambda.enhanced.invocations")
"""Service checks, events, and the client library's own count of invocations, which we make ourselves."""
