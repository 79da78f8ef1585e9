"""When to flush: the strategy's grammar, the period of the flush timer, and the decision at each invocation.

Theory of operation. A sandbox is frozen between invocations, so data must leave either at the end of an invocation
(END: the function's caller may wait for it), or at the start of the next one (PERIODIC waits for it, CONTINUOUS lets it
run beside the function). END loses nothing and costs latency; the others cost nothing and keep data back while the
sandbox is frozen. The default strategy begins with END and adapts once it has seen 20 invocations: when they came on
average less than two minutes apart, a next one is likely, so data may wait for it; when the twenty even fit into one
flush time-out, a blocking flush would be felt and CONTINUOUS is used.

Every decision is taken at the *start* of an invocation, in whole Unix seconds that the caller passes in. The time of
the last flush is noted when a decision to flush is taken, not when the flush ends; END flushes and timer flushes leave
it alone. A clock that went backwards counts as due, and as a sparse function for the default strategy.

Source: specification of the reference's flush control: strategies, timer, decision table.
"""

from __future__ import annotations

from typing import Final

# Kinds of strategy.
STRATEGY_DEFAULT: Final = 0
STRATEGY_END: Final = 1
STRATEGY_END_PERIODICALLY: Final = 2
STRATEGY_PERIODICALLY: Final = 3
STRATEGY_CONTINUOUSLY: Final = 4

# Decisions.
END: Final = 0
CONTINUOUS: Final = 1
PERIODIC: Final = 2
DONT: Final = 3

DECISION_NAMES: Final = ("end", "continuous", "periodic", "dont")

ADAPT_AFTER_INVOCATIONS: Final = 20
"""Invocations that the default strategy wants to have seen before it adapts, the present one included."""

ADAPT_BELOW_MEAN_S: Final = 120.0
"""Mean seconds between them below which the next invocation is expected soon."""

ADAPTED_INTERVAL_MS: Final = 20_000
"""Interval of the adapted default strategy."""

TIMER_DEFAULT_MS: Final = 60_000
TIMER_END_MS: Final = 900_000
"""Longer than any invocation may last: never within one."""

TIMER_MAX_MS: Final = 86_400_000
"""One day; a longer interval would never fire anyway and might not fit into a timer's argument."""

MANAGED_INTERVAL_MS: Final = 30_000
"""Interval on managed instances, where only continuous flushing makes sense."""

INTERVAL_MAX_MS: Final = 0xFFFF_FFFF_FFFF_FFFF
"""Largest interval that the grammar takes: an unsigned 64-bit integer."""

_KIND_BY_WORD: Final = {"end": 2, "periodically": 3, "continuously": 4}
_WORD_BY_KIND: Final = ("default", "end", "end", "periodically", "continuously")


class FlushStrategy:
    """A parsed strategy; equal to another with the same kind and interval.

    Args:
        kind: One of `STRATEGY_*`.
        interval_ms: 1 or more for the three kinds that have an interval, else 0.
    """

    def __init__(self, kind: int, interval_ms: int) -> None:
        assert (interval_ms > 0) == (kind >= STRATEGY_END_PERIODICALLY), "an interval belongs to the periodic kinds"
        self.kind = kind
        self.interval_ms = interval_ms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlushStrategy) and self.kind == other.kind and self.interval_ms == other.interval_ms

    def __hash__(self) -> int:
        return hash((self.kind, self.interval_ms))

    def __str__(self) -> str:
        """The text that `parse_flush_strategy` reads back."""
        word = _WORD_BY_KIND[self.kind]
        return f"{word},{self.interval_ms}" if self.interval_ms else word

    def __repr__(self) -> str:
        return f"FlushStrategy({self})"


def read_flush_strategy(text: str) -> FlushStrategy | None:
    """Read `default`, `end`, `end,<ms>`, `periodically,<ms>` or `continuously,<ms>`; None for anything else.

    Case counts and blanks are not trimmed. Text after a second comma is ignored. An interval of 0 is refused, since
    a timer cannot tick without pause.
    """
    if text == "default":
        return FlushStrategy(STRATEGY_DEFAULT, 0)
    if text == "end":
        return FlushStrategy(STRATEGY_END, 0)
    words = text.split(",")
    if len(words) < 2:
        return None
    kind = _KIND_BY_WORD.get(words[0], STRATEGY_DEFAULT)
    interval_ms = _unsigned(words[1])
    if kind == STRATEGY_DEFAULT or interval_ms <= 0:
        return None
    return FlushStrategy(kind, interval_ms)


def parse_flush_strategy(text: str) -> FlushStrategy:
    """As `read_flush_strategy`, with the default strategy for everything that is not understood."""
    strategy = read_flush_strategy(text)
    return FlushStrategy(STRATEGY_DEFAULT, 0) if strategy is None else strategy


def managed_strategy(strategy: FlushStrategy) -> FlushStrategy:
    """What a managed instance does with a strategy: continuous ones are kept, all others become one of 30 s.

    A caller that gets another kind than it gave, the default excepted, owes the user a warning.
    """
    if strategy.kind == STRATEGY_CONTINUOUSLY:
        return strategy
    return FlushStrategy(STRATEGY_CONTINUOUSLY, MANAGED_INTERVAL_MS)


class FlushControl:
    """Decide what to flush at each invocation, knowing only what it is told.

    Args:
        strategy: The configured strategy.
        flush_timeout_s: Time-out of one request in seconds, at least 1; the default strategy compares with it.
        start_s: Unix second at which the process started.
        end_only_when_due: The reference's table for `end,<ms>`: an end flush only when the interval has passed, and
            nothing at all otherwise. By default `end,<ms>` flushes at every end, as its documentation promises.
    """

    def __init__(
        self, strategy: FlushStrategy, flush_timeout_s: int, start_s: int, end_only_when_due: bool = False
    ) -> None:
        self._strategy = strategy
        self._flush_timeout_s = flush_timeout_s
        self._last_flush_s = start_s
        self._end_only_when_due = end_only_when_due
        self._ring_s: list[int] = [0] * ADAPT_AFTER_INVOCATIONS
        self._head = 0

    @property
    def timer_period_ms(self) -> int:
        """Period of the flush timer that ticks while an invocation runs."""
        if self._strategy.kind == STRATEGY_DEFAULT:
            return TIMER_DEFAULT_MS
        if self._strategy.kind == STRATEGY_END:
            return TIMER_END_MS
        return min(self._strategy.interval_ms, TIMER_MAX_MS)

    @property
    def flushes_at_end(self) -> bool:
        """Whether the timer's ticks matter for this strategy: it is the default one or one of the end kinds."""
        return self._strategy.kind <= STRATEGY_END_PERIODICALLY

    def decide(self, now_s: int) -> int:
        """Answer `END`, `CONTINUOUS`, `PERIODIC` or `DONT` for the invocation that starts at Unix second `now_s`.

        To be called exactly once per INVOKE: the answer depends on how often and when it was called.
        """
        self._ring_s[self._head] = now_s
        self._head = (self._head + 1) % ADAPT_AFTER_INVOCATIONS
        kind = self._strategy.kind
        interval_ms = self._strategy.interval_ms
        if kind == STRATEGY_DEFAULT:
            kind = self._adapted_kind(now_s)
            interval_ms = ADAPTED_INTERVAL_MS
        if kind == STRATEGY_END:
            return END
        if kind == STRATEGY_END_PERIODICALLY and not self._end_only_when_due:
            return END
        if not self._is_due(now_s, interval_ms):
            return DONT
        self._last_flush_s = now_s
        if kind == STRATEGY_END_PERIODICALLY:
            return END
        return PERIODIC if kind == STRATEGY_PERIODICALLY else CONTINUOUS

    def _adapted_kind(self, now_s: int) -> int:
        """The kind that the default strategy takes now; `_head` is at the oldest of the last 20 invocations."""
        oldest_s = self._ring_s[self._head]
        if oldest_s == 0:
            return STRATEGY_END
        elapsed_s = now_s - oldest_s
        if elapsed_s < 0 or elapsed_s / (ADAPT_AFTER_INVOCATIONS - 1) >= ADAPT_BELOW_MEAN_S:
            return STRATEGY_END
        return STRATEGY_CONTINUOUSLY if elapsed_s < self._flush_timeout_s else STRATEGY_PERIODICALLY

    def _is_due(self, now_s: int, interval_ms: int) -> bool:
        """Strictly more whole seconds than the interval holds; a clock that went backwards makes it due."""
        since_s = now_s - self._last_flush_s
        return since_s < 0 or since_s > interval_ms // 1000


def _unsigned(text: str) -> int:
    """An unsigned 64-bit integer (a leading `+` allowed), or -1."""
    digits = text[1:] if text.startswith("+") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 40:
        return -1
    number = int(digits)
    return number if number <= INTERVAL_MAX_MS else -1
