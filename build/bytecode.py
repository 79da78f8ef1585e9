"""Byte code as it is shipped: no docstrings, no assertions, no path of the build machine."""

from __future__ import annotations

import ast
import importlib.util
from importlib import _bootstrap_external
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import CodeType

FUTURE_ANNOTATIONS = 0x1000000
"""`CO_FUTURE_ANNOTATIONS`, what `from __future__ import annotations` sets (CPython 3.11, Include/cpython/code.h)."""


def code_of(source: Path, name: str) -> CodeType:
    """Compile `source`; tracebacks call it `name`.

    `from __future__ import annotations` becomes the compiler flag that it stands for: left in the text, it would import
    the module `__future__` at run time.
    """
    tree = ast.parse(source.read_bytes())
    flags = 0
    for statement in [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]:
        tree.body.remove(statement)
        flags |= FUTURE_ANNOTATIONS
    return compile(tree, name, "exec", flags, dont_inherit=True, optimize=2)


def pyc(source: Path, name: str) -> bytes:
    """The content of a `.pyc` that is never checked against a source."""
    hashed = importlib.util.source_hash(source.read_bytes())
    return bytes(_bootstrap_external._code_to_hash_pyc(code_of(source, name), hashed, False))
