"""Load the package in a form of one's choice, both in one process if need be.

The package of the run is imported as `thimble`. In the compiled run the interpreted form can be loaded beside it, from
`src/`, under the name `thimble_pure`: its absolute imports of `thimble` are rewritten while the source is compiled, so
the copy never reaches a compiled module.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src"
COMPILED = ROOT / "out" / "compiled"
FORMS = ("pure", "compiled")
NAME = "thimble"
PURE_NAME = "thimble_pure"


def form_of_this_run() -> str:
    """`pure` or `compiled`, as the package says itself."""
    return str(importlib.import_module("thimble.twin").FORM)


def import_twin(form: str, module: str) -> ModuleType:
    """Import `thimble.<module>` in a form; skips the test where the form cannot be had in this run.

    In the compiled run both forms exist; in the pure run only the pure one.
    """
    if form not in FORMS:
        raise ValueError(f"form {form!r} is neither pure nor compiled")
    if form == form_of_this_run():
        return importlib.import_module(f"{NAME}.{module}")
    if form == "compiled":
        pytest.skip("the compiled form is loaded in the compiled run only")
    if not any(isinstance(finder, PureFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PureFinder())
    return importlib.import_module(f"{PURE_NAME}.{module}")


class _Renamer(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            if alias.name == NAME or alias.name.startswith(NAME + "."):
                if alias.asname is None:
                    raise ImportError(f"write `from {alias.name} import ...`: a plain import cannot be renamed")
                alias.name = PURE_NAME + alias.name[len(NAME) :]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.level == 0 and node.module is not None and node.module.split(".")[0] == NAME:
            node.module = PURE_NAME + node.module[len(NAME) :]
        return node


class _PureLoader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code = self.source_to_code(self.get_data(path), path)
        assert code is not None
        return code

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = _Renamer().visit(ast.parse(data, path))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)


class PureFinder(importlib.abc.MetaPathFinder):
    """Find `thimble_pure` and its modules in src/thimble."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        parts = fullname.split(".")
        if parts[0] != PURE_NAME:
            return None
        place = SOURCE.joinpath(NAME, *parts[1:])
        if (place / "__init__.py").exists():
            file = place / "__init__.py"
            return importlib.util.spec_from_file_location(
                fullname, file, loader=_PureLoader(fullname, str(file)), submodule_search_locations=[str(place)]
            )
        file = place.with_suffix(".py")
        if not file.exists():
            return None
        return importlib.util.spec_from_file_location(fullname, file, loader=_PureLoader(fullname, str(file)))
