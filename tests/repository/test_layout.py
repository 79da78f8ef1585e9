"""Rules of the tree: imports point inward, packages are empty, files are a topic a reader can hold."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.forms import ROOT, SOURCE

PACKAGE = SOURCE / "thimble"
LINES_MAX = 500

MAY_IMPORT = {
    "core": {"core", "kernels"},
    "kernels": {"kernels", "core", "_native"},
    "config": {"config", "core"},
    "reactor": {"reactor", "core"},
    "http": {"http", "reactor", "core"},
    "sources": {"sources", "core", "kernels", "reactor", "http", "config"},
    "sinks": {"sinks", "core", "kernels", "reactor", "http", "config"},
    "shell": {"shell", "core", "kernels", "reactor", "http", "config", "sources", "sinks"},
}
"""Folder -> folders it may import from. All may import `version` and `twin`; `app` and `cli` import everything.
`shell` drives sources and sinks, which know neither each other nor the shell.
"""

MAY_NAME_TYPES_OF = {"core": {"config"}}
"""Folder -> folders that it may import for annotations only: settings are plain data, passed in."""

FREE_MODULES = {"version", "twin"}

CORE_MAY_NOT_IMPORT = {
    "_socket", "asyncio", "datetime", "os", "posix", "random", "select", "socket", "ssl", "threading", "time",
}  # fmt: skip
"""No I/O, no clock, no randomness in `core/`: values come in as arguments."""


def sources() -> Iterator[Path]:
    yield from sorted(PACKAGE.rglob("*.py"))


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING"


def imported_names(path: Path, types_only: bool = False) -> Iterator[str]:
    """Absolute dotted names that a file imports: those that run, or those below `if TYPE_CHECKING`."""
    package = ["thimble", *path.relative_to(PACKAGE).parent.parts]
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    guarded = {inner for node in ast.walk(tree) if is_for_types_only(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if (node in guarded) != types_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                base = [str(node.module)]
            else:
                base = package[: len(package) - node.level + 1] + ([node.module] if node.module else [])
            for alias in node.names:
                yield ".".join([*base, alias.name])


def own_targets(path: Path, types_only: bool = False) -> Iterator[str]:
    """First folder or module below `thimble` of every import of our own."""
    for name in imported_names(path, types_only):
        parts = name.split(".")
        if parts[0] == "thimble" and len(parts) > 1:
            yield parts[1]


def test_imports_point_inward() -> None:
    wrong = []
    for path in sources():
        folder = path.relative_to(PACKAGE).parts[0]
        if folder not in MAY_IMPORT:
            continue
        allowed = MAY_IMPORT[folder] | FREE_MODULES
        allowed_types = allowed | MAY_NAME_TYPES_OF.get(folder, set())
        place = path.relative_to(SOURCE)
        wrong += [f"{place} imports thimble.{name}" for name in own_targets(path) if name not in allowed]
        wrong += [
            f"{place} names types of thimble.{name}" for name in own_targets(path, True) if name not in allowed_types
        ]
    assert wrong == []


def test_the_sandbox_process_never_imports_the_local_sandbox() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports thimble.{name}"
        for path in sources()
        if path.relative_to(PACKAGE).parts[0] not in ("sandbox", "cli.py")
        for name in own_targets(path)
        if name in ("sandbox", "cli")
    ]
    assert wrong == []


def test_core_has_no_clock_no_sockets_and_no_environment() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in (PACKAGE / "core").rglob("*.py")
        for name in imported_names(path)
        if name.split(".")[0] in CORE_MAY_NOT_IMPORT
    ]
    assert wrong == []


def test_every_folder_of_modules_is_a_package_with_an_empty_init() -> None:
    folders = {path.parent for path in sources()}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
    assert [str(path) for path in PACKAGE.rglob("__init__.py") if path.read_text(encoding="utf-8").strip()] == []


def hand_written_files() -> list[Path]:
    """Every file of ours that holds code, committed or not yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = (ROOT / line for line in listed.stdout.splitlines())
    return [path for path in paths if path.suffix in (".py", ".pyx", ".pxd", ".c", ".sh") and path.exists()]


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long_files = {
        str(path.relative_to(ROOT)): lines
        for path in hand_written_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert long_files == {}


def test_the_build_folder_is_no_package() -> None:
    """An `__init__.py` there would shadow the `build` front end."""
    assert not (ROOT / "build" / "__init__.py").exists()
