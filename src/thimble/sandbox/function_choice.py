"""Which function runs: from a handler and a folder to a complete spec, with one clear sentence when it cannot be."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from thimble.sandbox.runtimes import RuntimeMissing, custom_function, node_function, python_function
from thimble.sandbox.spec import FunctionSpec

PYTHON: Final = "python"
NODE: Final = "node"
BOOTSTRAP: Final = "bootstrap"

SUFFIXES: Final = {PYTHON: (".py",), NODE: (".mjs", ".cjs", ".js")}
"""File name endings of a handler's module."""


class FunctionError(Exception):
    """There is no such function, or it cannot run here; the text says what to do."""


def choose_function(
    handler: str,
    root: Path,
    runtime: str | None,
    *,
    name: str = "",
    env: Mapping[str, str] | None = None,
    memory_mb: int = 512,
    timeout_s: float = 3.0,
) -> FunctionSpec:
    """Make the spec of a function.

    Args:
        handler: `module.function`, the module a path below `root`; may be empty for a bootstrap.
        root: Folder of the code.
        runtime: `python`, `node`, `bootstrap`, or `None` to tell it by the handler's file.
        name: Function name; empty takes the folder's name.
        env: The user's variables.
        memory_mb: Memory size.
        timeout_s: Time-out, seconds.

    Raises:
        FunctionError: No folder, no file for the handler, or no runtime.
    """
    if not root.is_dir():
        raise FunctionError(f"{root} is no folder: --root wants the folder of the function's code")
    kind = runtime or _kind_of(handler, root)
    fields: dict[str, Any] = {
        "name": name or function_name(root),
        "env": dict(env or {}),
        "memory_mb": memory_mb,
        "timeout_s": timeout_s,
    }
    if kind != BOOTSTRAP:
        _check_handler(handler, root, kind)
    try:
        if kind == PYTHON:
            return python_function(handler, root, **fields)
        if kind == NODE:
            return node_function(handler, root, **fields)
        return custom_function(root, handler=handler, **fields)
    except RuntimeMissing as error:
        raise FunctionError(str(error).rstrip(".")) from error


def function_name(root: Path) -> str:
    """Return a name that Lambda would take, made from a folder's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", root.resolve().name).strip("-")[:64] or "function"


def _kind_of(handler: str, root: Path) -> str:
    if not handler:
        return BOOTSTRAP
    return NODE if _module_file(handler, root, NODE) else PYTHON


def _check_handler(handler: str, root: Path, kind: str) -> None:
    if "." not in handler.removeprefix("."):
        raise FunctionError(f"the handler {handler!r} should read module.function, such as app.handler")
    if _module_file(handler, root, kind) is None:
        module = handler.rpartition(".")[0]
        names = " or ".join(module + suffix for suffix in SUFFIXES[kind])
        raise FunctionError(f"there is no {names} in {os.fspath(root.resolve())}, which the handler {handler} needs")


def _module_file(handler: str, root: Path, kind: str) -> Path | None:
    """Find the file of a handler's module; Lambda takes `a/b.f`, and for Python `a.b.f` too."""
    module = handler.rpartition(".")[0]
    spellings = [module, module.replace(".", "/")] if kind == PYTHON else [module]
    for spelling in spellings:
        if kind == PYTHON and (root / spelling / "__init__.py").is_file():
            return root / spelling / "__init__.py"
        for suffix in SUFFIXES[kind]:
            path = root / (spelling + suffix)
            if path.is_file():
                return path
    return None
