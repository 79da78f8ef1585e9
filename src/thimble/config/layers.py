"""What one source of settings hands over: values by field, where each came from, and what was wrong with the rest.

Sources (the environment, `datadog.yaml`) only read and convert; `assemble.py` lays them over each other and words the
warnings, since only then it is known which value is used in place of a bad one.
"""

from __future__ import annotations

from typing import Final

SHOWN_CHARACTERS_MAX: Final = 80
"""Characters of a bad value that a warning quotes; the rest is cut."""


class BadValueError(Exception):
    """A value that its setting cannot take; the message says what was wrong: `is not a whole number`."""


class Problem:
    """One thing wrong with one setting.

    Args:
        name: The setting as the user wrote it: `DD_FLUSH_TIMEOUT`.
        field: The field it would have set.
        text: What is wrong, without a full stop: `"10s" is not a whole number`.
        is_whole: Whether the whole value was refused, so that the warning has to name what is used instead.
    """

    def __init__(self, name: str, field: str, text: str, is_whole: bool) -> None:
        self.name = name
        self.field = field
        self.text = text
        self.is_whole = is_whole


class Layer:
    """Values of one source.

    Attributes:
        values: Field to converted value; a field that the source does not set, or sets badly, is missing.
        origins: Field to the setting's name as the user wrote it, for every field in `values`.
        problems: In the order found.
    """

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.origins: dict[str, str] = {}
        self.problems: list[Problem] = []

    def put(self, field: str, value: object, name: str) -> None:
        """Set a field, replacing what the same source said before."""
        self.values[field] = value
        self.origins[field] = name

    def complain(self, name: str, field: str, text: str, is_whole: bool) -> None:
        """Note a problem."""
        self.problems.append(Problem(name, field, text, is_whole))


def quoted(text: str) -> str:
    """A user's text for a warning: in double quotes, without the user and password of a URL, and not too long."""
    before, slashes, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        text = f"{before}{slashes}***@{authority.rpartition('@')[2]}{slash}{path}"
    if len(text) > SHOWN_CHARACTERS_MAX:
        return f'"{text[:SHOWN_CHARACTERS_MAX]}..."'
    return f'"{text}"'
