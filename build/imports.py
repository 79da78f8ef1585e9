"""Which modules a source file imports, read without running it.

Imports below `if TYPE_CHECKING` do not count; imports inside functions do: they run some day.
"""

from __future__ import annotations

import ast
from pathlib import Path


def is_type_checking(test: ast.expr) -> bool:
    """Whether `test` is TYPE_CHECKING alone: what stands below is never executed."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def nodes(tree: ast.AST) -> list[ast.AST]:
    """Import statements in `tree`."""
    if isinstance(tree, (ast.Import, ast.ImportFrom)):
        return [tree]
    children = list(ast.iter_child_nodes(tree))
    if isinstance(tree, ast.If) and is_type_checking(tree.test):
        children = list(tree.orelse)
    return [found for child in children for found in nodes(child)]


def imported(path: Path, module: str) -> set[str]:
    """Dotted names that `path`, the source of `module`, may import.

    `from a import b` gives both `a` and `a.b`, since only the import system knows whether `b` is a module. Relative
    imports are made absolute.
    """
    return names_of(nodes(ast.parse(path.read_bytes())), path, module)


def imported_at_start(path: Path, module: str) -> set[str]:
    """As `imported`, but only statements at the top level that stand in no `try` and no `if`."""
    return names_of(list(ast.parse(path.read_bytes()).body), path, module)


def names_of(statements: list[ast.AST], path: Path, module: str) -> set[str]:
    """Absolute names in those of `statements` that are imports."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for statement in statements:
        if isinstance(statement, ast.Import):
            names.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            origin = statement.module or ""
            if statement.level:
                parents = package.split(".")
                parents = parents[: len(parents) - statement.level + 1]
                origin = ".".join([*parents, *([origin] if origin else [])])
            if origin == "__future__":
                continue  # a compiler flag in what is shipped
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in statement.names)
    return names
