"""Helpers that walk the settings, so that a new one is covered the day it is added."""

from __future__ import annotations

import ast
from typing import Any

from tests.helpers.forms import SOURCE
from thimble.config.model import Settings

MODEL = SOURCE / "thimble" / "config" / "model.py"


def field_names() -> list[str]:
    """Names of all fields, from the source: a compiled object does not list its own."""
    for node in ast.parse(MODEL.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == "Settings":
            targets = [item.target for item in ast.walk(node) if isinstance(item, ast.AnnAssign)]
            return [target.attr for target in targets if isinstance(target, ast.Attribute)]
    raise AssertionError("no class Settings in model.py")


def values_of(settings: Settings) -> dict[str, Any]:
    """Field to value, with objects turned into tuples that compare."""
    return {name: plain(getattr(settings, name)) for name in field_names()}


def plain(value: Any) -> Any:
    """Rules and endpoints as tuples of their attributes; all else as it is."""
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    for attributes in (("kind", "name", "pattern", "placeholder"), ("name", "pattern", "replacement"),
                       ("api_key", "host", "port")):  # fmt: skip
        if all(hasattr(value, attribute) for attribute in attributes):
            return tuple(getattr(value, attribute) for attribute in attributes)
    return value
