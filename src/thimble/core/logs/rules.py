"""Processing rules: the user's regular expressions, which drop lines or mask parts of them.

The engine is Rust's `regex`, the one that Datadog's extension uses: the same dialect, and time that grows with the
length of the line only, whatever the pattern. A user's pattern runs on every line, and Python's `re` needs exponential
time for `(a+)+$`. It is loaded with the first rule.

Source: Datadog documentation, "Advanced log collection", processing rules; documentation of the crate `regex`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from thimble.core.logs.entries import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thimble.config.model import ProcessingRule
    from thimble.core.drops import Drops

EXCLUDE: Final = "exclude_at_match"
INCLUDE: Final = "include_at_match"
MASK: Final = "mask_sequences"

SAVED_LINES: Final = "lines"
SAVED_BYTES: Final = "bytes of lines"


class Rule:
    """One compiled rule."""

    def __init__(self, kind: str, name: str, pattern: Any, placeholder: str) -> None:
        self.kind = kind
        self.name = name
        self.pattern = pattern
        self.placeholder = placeholder


class LogRules:
    """Rules in the user's order.

    Args:
        rules: As configured. One whose pattern cannot be compiled is left out.
        saved: Counts lines and bytes that rules keep from being sent, by the rule's name.

    Attributes:
        refused: One sentence per rule that was left out.
    """

    def __init__(self, rules: Sequence[ProcessingRule], saved: Drops) -> None:
        import flpc  # noqa: F401 - the parent, named so that the bundle gets its stand-in
        import flpc.flpc as engine

        self.refused: list[str] = []
        self._saved = saved
        self._search: Callable[[Any, str], object | None] = engine.search
        self._replace_all: Callable[[Any, str, str], str] = engine.sub
        self._rules: list[Rule] = []
        for rule in rules:
            try:
                pattern = engine.compile(rule.pattern)
            except ValueError as error:
                reason = str(error).rsplit("error: ", 1)[-1].strip()
                self.refused.append(f"rule {rule.name} is left out, its pattern is not usable: {reason}")
            else:
                self._rules.append(Rule(rule.kind, rule.name, pattern, rule.placeholder))

    def __len__(self) -> int:
        return len(self._rules)

    def apply(self, text: str) -> str | None:
        """What is left of a line, or None if it is dropped.

        The placeholder of a mask is a template of the engine: `$1`, `$name` take the longest run of letters, digits
        and underscores, `${1}` ends where it says, `$$` is a dollar sign, an unknown group is empty.
        """
        for rule in self._rules:
            if rule.kind == MASK:
                text = self._replace_all(rule.pattern, rule.placeholder, text)
            elif (self._search(rule.pattern, text) is not None) == (rule.kind == EXCLUDE):
                count_saved(self._saved, rule.name, text)
                return None
        return text


def count_saved(saved: Drops, reason: str, text: str) -> None:
    """Count one line that is not sent on purpose, in bytes as a payload would have held it: JSON without the quotes."""
    saved.add(SAVED_LINES, reason, 1)
    saved.add(SAVED_BYTES, reason, len(json_text(text)) - 2)
