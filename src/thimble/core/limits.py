"""Every limit of the process, with its unit, where it comes from, and what happens when it is reached."""

from __future__ import annotations

from typing import Final

# --- logs ---------------------------------------------------------------------------------------------------------

LOG_ENTRIES_MAX: Final = 1000
"""Entries in one logs payload. The intake's limit; a full payload is sealed and the next one begins."""

LOG_PAYLOAD_BYTES_MAX: Final = 5_242_880
"""Uncompressed bytes of one logs payload, brackets and commas included. The intake's limit; see `LOG_ENTRIES_MAX`."""

LOG_STORE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Compressed and not yet compressed bytes of logs that wait for a flush. The oldest payload is dropped and counted."""

ORPHAN_LINES_MAX: Final = 1000
ORPHAN_BYTES_MAX: Final = 1024 * 1024
"""Lines that wait for an invocation to belong to. The oldest goes out with `request_id: null`."""

KEPT_REQUEST_BYTES_MAX: Final = 256 * 1024
KEPT_BYTES_MAX: Final = 4 * 1024 * 1024
KEPT_REQUESTS_MAX: Final = 64
"""Lines below the level that is sent, per invocation and in all: the oldest ones are given up and counted."""

DURABLE_LINES_BYTES_MAX: Final = 4 * 1024 * 1024
"""Lines that wait for their durable execution. The oldest request's are sent without it."""

DURABLE_CONTEXTS_MAX: Final = 500
"""Requests whose durable execution is known, as in the reference. The oldest is forgotten."""

TELEMETRY_FRAGMENT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Half a record that waits for its other half. A body is at most twice the subscription's `maxBytes` and metadata."""

TELEMETRY_FRAGMENT_AGE_MS_MAX: Final = 1_000
"""How long it waits: both halves come back to back. Then what there is of a text is sent, anything else is counted."""

RUNTIME_DURATIONS_MAX: Final = 64
"""Invocations whose runtime duration waits for their report: on-demand there is one; the oldest is forgotten."""

# --- sending ------------------------------------------------------------------------------------------------------

RETRY_BYTES_MAX: Final = 10 * 1024 * 1024
"""Bytes of payloads per kind of data that wait for another try. The oldest is dropped and counted."""

REDRIVES_MAX: Final = 3
"""Flushes in which one payload may fail before it is dropped and counted."""

SENDERS_MAX: Final = 8
"""Requests to intakes that are open at a time."""

BACKOFF_MS: Final = 100
"""Pause before the second attempt within a flush, twice that before the third, as far as the deadline allows."""

BESIDE_TIMEOUT_MS: Final = 10_000
"""For an attempt that nobody waits for: longer than any intake takes that is well, shorter than a flush may wait."""

STALE_BESIDE_MS: Final = 1_000
"""At the shutdown, a request that nobody waited for and that is older is ended and sent anew."""

# --- local servers ------------------------------------------------------------------------------------------------

TELEMETRY_BODY_BYTES_MAX: Final = 12 * 1024 * 1024
"""One POST of the Telemetry API: legally at most 2 MiB and metadata. A larger one is read, counted and dropped."""

LIFECYCLE_BODY_BYTES_MAX: Final = 6_291_456
"""The invocation's payload in start- and end-invocation calls; a larger one counts as empty, as in the reference."""

TRACE_BODY_BYTES_MAX: Final = 52_428_800
"""One payload of a tracer; a larger one is answered with 413."""

ROOTLESS_SPANS_MAX: Final = 65_536
"""Spans of a chunk without a root that are searched for its local root; further ones do not take part."""

# --- time ---------------------------------------------------------------------------------------------------------

DEADLINE_MARGIN_MS: Final = 100
"""Kept free before every deadline of the platform."""

NO_TELEMETRY_FLUSH_MS: Final = 1_000
"""Without telemetry, a flush begins when no INVOKE has come for so long."""

DONE_AFTER_END_CALL_MS: Final = 500
"""After the tracer's end-invocation call, how long to wait for the platform to say the same."""

SHUTDOWN_BUDGET_MS: Final = 2_000
"""Time for the shutdown when the event carries no deadline."""

SHUTDOWN_QUIET_MS: Final = 300
"""At shutdown, how long to wait for further telemetry after the last."""

DONE_WAIT_MARGIN_MS: Final = 250
"""Before the function's deadline, when the wait for the runtime's end is given up and what is there is sent."""

# --- invocations --------------------------------------------------------------------------------------------------

INVOCATION_RECORDS_MAX: Final = 500
"""Invocations that we know something about, those that are over included. The oldest is forgotten."""

EARLY_EVENTS_MAX: Final = 64
"""Telemetry that waits for the first invocation before it is counted; the newest is ignored beyond it."""

# --- metrics ------------------------------------------------------------------------------------------------------

METRIC_CONTEXTS_MAX: Final = 10_240
"""Contexts of the function's metrics between two flushes, as in the reference. Lines of further ones are refused."""

METRIC_ENTRIES_MAX: Final = 1000
"""Series or sketches in one payload."""

SERIES_BYTES_MAX: Final = 5_242_880
SERIES_COMPRESSED_BYTES_MAX: Final = 512_000
"""The series intake's limits for a body. A full payload is closed; one too large when compressed is halved."""

SKETCHES_BYTES_MAX: Final = 62_914_560
SKETCHES_COMPRESSED_BYTES_MAX: Final = 3_200_000
"""The same of the sketches intake."""
