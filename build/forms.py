"""The two forms of the package and the compile list: which modules become machine code, and why some do not.

`setup.py`, `build/compile.py`, the bundle and the tests all read the list from here.

Compiled as ONE mypyc group: every module below the folders in FOLDERS, and the modules in ROOTS. The list is folders,
not favourites; a single file leaves it by a line `# Not compiled: <reason>` among its first 30 lines. Never compiled:

- package `__init__` files: they are empty, and the import system reads them before a group member can be entered;
- `kernels/`: its files choose between twins, and mypyc takes `TYPE_CHECKING` for true. The pure twins in it must stay
  out too: were they in the group, mypyc would give the callers C access to the wrong class;
- `boot`: stage 0 must not load the group; `version` and `twin`: read before or without it;
- `cli`, `sandbox/`: never in the Lambda sandbox, speed does not matter there.

`native/**/*.pyx` become `thimble._native.<path>` through Cython.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
NATIVE = ROOT / "native"

FORM_VARIABLE = "THIMBLE_BUILD"
FORMS = ("pure", "compiled")

GROUP = "thimble"
GROUP_LIBRARY = "thimble__mypyc"
"""Name of the shared library that holds every module of the group, at the top level of the path."""

ENTRY = "thimble.app"
"""The root of the group: the bundle ships its shim alone."""

FOLDERS = ("config", "core", "reactor", "http", "sources", "sinks", "shell")
ROOTS = ("app",)

EXCLUSION_MARK = "# Not compiled:"
EXCLUSION_LINES_MAX = 30

TWIN_LINE_PURE = 'FORM = "pure"'
TWIN_LINE_COMPILED = 'FORM = "compiled"'


class BuildError(Exception):
    """The build cannot go on; the text says what to do."""


def chosen_form(environ: dict[str, str] | None = None) -> str:
    """Read the form from THIMBLE_BUILD: `pure` (the default) or `compiled`."""
    form = (os.environ if environ is None else environ).get(FORM_VARIABLE, "") or "pure"
    if form not in FORMS:
        raise BuildError(f"{FORM_VARIABLE}={form!r}: write 'pure' or 'compiled'.")
    return form


def exclusion_reason(path: Path) -> str | None:
    """The reason after `# Not compiled:` in the first lines of a file; None when the file is compiled."""
    with path.open(encoding="utf-8") as file:
        for _, line in zip(range(EXCLUSION_LINES_MAX), file, strict=False):
            if line.startswith(EXCLUSION_MARK):
                reason = line[len(EXCLUSION_MARK) :].strip()
                if not reason:
                    raise BuildError(f"{path}: '{EXCLUSION_MARK}' needs a reason behind it.")
                return reason
    return None


def module_name(path: Path) -> str:
    """Dotted name of a file below src/."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def group_files(folders: tuple[str, ...] = FOLDERS, roots: tuple[str, ...] = ROOTS) -> list[Path]:
    """The sources of the compiled group, sorted. A root that does not exist is an error."""
    package = SOURCE / GROUP
    files: list[Path] = []
    for root in roots:
        path = package / f"{root}.py"
        if not path.exists():
            raise BuildError(f"{path} is on the compile list and does not exist.")
        files.append(path)
    for folder in folders:
        if not (package / folder / "__init__.py").exists():
            raise BuildError(f"{package / folder} is on the compile list and is not a package.")
        for path in sorted((package / folder).rglob("*.py")):
            if path.name == "__init__.py":
                continue
            if not (path.parent / "__init__.py").exists():
                raise BuildError(f"{path.parent} has modules and no __init__.py.")
            if exclusion_reason(path) is None:
                files.append(path)
    return files


def group_modules(folders: tuple[str, ...] = FOLDERS, roots: tuple[str, ...] = ROOTS) -> list[str]:
    """Dotted names of the compiled group, sorted as `group_files`."""
    return [module_name(path) for path in group_files(folders, roots)]


def native_files() -> list[Path]:
    """The Cython sources, sorted."""
    return sorted(NATIVE.rglob("*.pyx"))


def native_module(path: Path) -> str:
    """Dotted name of the extension module that a `.pyx` becomes."""
    return ".".join(("thimble", "_native", *path.relative_to(NATIVE).with_suffix("").parts))


def native_modules() -> list[str]:
    """Dotted names of every Cython module."""
    return [native_module(path) for path in native_files()]


def missing_modules(directory: Path, modules: list[str], suffix: str) -> list[str]:
    """Those of `modules` that have no extension file below `directory`, or still a source beside it."""
    wrong = []
    for module in modules:
        place = directory.joinpath(*module.split("."))
        if not place.with_name(place.name + suffix).exists():
            wrong.append(f"{module}: no extension file")
        elif place.with_suffix(".py").exists():
            wrong.append(f"{module}: a source lies beside the extension file")
    return wrong
