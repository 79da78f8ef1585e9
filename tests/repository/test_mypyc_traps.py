"""What runs interpreted and breaks compiled: found by reading the sources, before a rare path finds it."""

from __future__ import annotations

import ast

from tests.helpers.build_tools import import_build_tool

forms = import_build_tool("forms")


def test_a_name_in_except_clauses_of_one_function_has_one_type() -> None:
    """mypyc gives it the type of the first clause: in a later one, binding another exception raises TypeError."""
    wrong = []
    for path in forms.group_files():
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            types: dict[str, set[str]] = {}
            for node in ast.walk(function):
                if isinstance(node, ast.ExceptHandler) and node.name and node.type:
                    types.setdefault(node.name, set()).add(ast.unparse(node.type))
            place = f"{path.relative_to(forms.SOURCE)}: {function.name}"
            wrong += [f"{place}: {name} is {sorted(found)}" for name, found in types.items() if len(found) > 1]
    assert wrong == []
