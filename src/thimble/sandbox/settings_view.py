"""`thimble config`: the settings as the extension would read them here, each with where it comes from.

On a terminal a table, where the extra `thimble[sandbox]` is installed; else plain lines, one per setting, that grep
understands. Secrets are never shown. Needs nothing else of the local Lambda.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from thimble.config.effective import FROM_DEFAULT, EffectiveSetting, effective_settings
from thimble.version import VERSION

NO_VALUE: Final = "-"
"""In place of a value that is unset, for people; JSON has ''."""

WIDTH_MAX: Final = 132
"""Columns used at most on a terminal."""


class BadArguments(Exception):
    """What the command was asked cannot be done; the text is one sentence without its full stop."""


def environment_of(variables: Sequence[str], root: str | None) -> dict[str, str]:
    """The environment as the extension would see it: this one, `NAME=VALUE` over it, and the folder of the function.

    Raises:
        BadArguments: A variable has no `=`, or the folder does not exist.
    """
    environ = dict(os.environ)
    for text in variables:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise BadArguments(f"--env {text} should read --env NAME=VALUE")
        environ[name] = value
    if root is not None:
        if not Path(root).is_dir():
            raise BadArguments(f"{root} is no folder: --root wants the folder of the function's code")
        environ["LAMBDA_TASK_ROOT"] = root
    return environ


def show(environ: Mapping[str, str], is_json: bool, is_changed_only: bool) -> int:
    """Print the settings on standard output and what is wrong with them on standard error.

    Returns:
        How many things are wrong.
    """
    settings, warnings = effective_settings(dict(environ))
    if is_changed_only:
        settings = [setting for setting in settings if setting.origin != FROM_DEFAULT]
    if is_json:
        print(as_json(settings, warnings))
        return len(warnings)
    if not (sys.stdout.isatty() and _print_table(settings)):
        for line in plain_lines(settings):
            print(line)
    for warning in warnings:
        print(f"thimble: {warning}", file=sys.stderr)
    return len(warnings)


def as_json(settings: Sequence[EffectiveSetting], warnings: Sequence[str]) -> str:
    """One object: `version`, `settings` (a list of objects with the fields of `EffectiveSetting`), `warnings`."""
    return json.dumps(
        {"version": VERSION, "settings": [setting._asdict() for setting in settings], "warnings": list(warnings)},
        indent=1,
        ensure_ascii=False,
    )


def plain_lines(settings: Sequence[EffectiveSetting]) -> list[str]:
    """One line per setting: variable, value, origin in brackets; in columns, without colour."""
    name_width = max((len(setting.variable) for setting in settings), default=0)
    value_width = min(max((len(shown(setting)) for setting in settings), default=0), 40)
    return [
        f"{setting.variable:<{name_width}}  {shown(setting):<{value_width}}  [{setting.origin}]" for setting in settings
    ]


def shown(setting: EffectiveSetting) -> str:
    """The value for a person: no control characters, and something to see where there is none."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in setting.value)
    return text or NO_VALUE


def _print_table(settings: Sequence[EffectiveSetting]) -> bool:
    """Print a table, by group; False where rich, which makes them, is not installed."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        return False
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH_MAX)
    if not settings:
        console.print("Every setting is at its default.")
        return True
    name_width = max(len(setting.variable) for setting in settings)
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    table.add_column("setting", width=min(name_width, console.width // 2), overflow="fold")
    table.add_column("value", ratio=3, overflow="fold")
    table.add_column("from", ratio=2, overflow="fold")
    for group in dict.fromkeys(setting.group for setting in settings):
        table.add_section()
        table.add_row(Text(group, "bold magenta"))
        for setting in [setting for setting in settings if setting.group == group]:
            is_default = setting.origin == FROM_DEFAULT
            table.add_row(
                Text(setting.variable, "" if is_default else "bold"),
                Text(shown(setting), "dim" if is_default else "green"),
                Text(setting.origin, "dim" if is_default else "cyan"),
            )
    console.print(table)
    return True
