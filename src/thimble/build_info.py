"""Which form of the package is installed, and what in it is machine code."""

from __future__ import annotations

import platform
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

from thimble import twin
from thimble.version import VERSION

COMPILED_FOLDERS: Final = ("config", "core", "reactor", "http", "sources", "sinks", "shell")
"""Folders that the compiled form holds as machine code; a test compares them with the build's own list."""

EXCLUSION_MARK: Final = b"# Not compiled:"
"""Begins the line by which a single file stays interpreted, with its reason; as in the build's own list."""


class BrokenBuild(Exception):
    """The installed package calls itself compiled and is not, wholly or partly."""


def build_info() -> dict[str, Any]:
    """Describe the installed package.

    Returns:
        `version`, `form` (`pure` or `compiled`), `compiled_modules` (dotted names, sorted), `interpreted_modules`
        (those that the compiled form leaves interpreted for a reason of their own), `machine_code_bytes`, `location`,
        `python` and `machine`.

    Raises:
        BrokenBuild: The form is `compiled` and modules of the compiled folders lie there as source only; or it is
            `pure` and extension files lie there all the same.
    """
    package = Path(__file__).resolve().parent
    files = sorted(path for path in package.rglob("*") if path.name.endswith(tuple(EXTENSION_SUFFIXES)))
    compiled = [_dotted(path, package) for path in files]
    interpreted, missing = _sources_left(package, set(compiled))
    if twin.FORM == "compiled" and (missing or not compiled):
        names = ", ".join(missing) or "every module"
        raise BrokenBuild(f"this is the compiled form, but it has no machine code for {names}: build it again")
    if twin.FORM == "pure" and compiled:
        raise BrokenBuild(f"this is the pure form, but {', '.join(compiled)} is machine code: build it again")
    libraries = sorted(package.parent.glob("thimble__mypyc.*"))
    return {
        "version": VERSION,
        "form": twin.FORM,
        "compiled_modules": compiled,
        "interpreted_modules": interpreted if twin.FORM == "compiled" else [],
        "machine_code_bytes": sum(path.stat().st_size for path in [*files, *libraries]),
        "location": str(package),
        "python": platform.python_version(),
        "machine": f"{sys.platform} {platform.machine()}",
    }


def describe(info: dict[str, Any]) -> str:
    """Say the same in a few lines for a person."""
    lines = [f"thimble {info['version']}, {info['form']} form, Python {info['python']}, {info['machine']}"]
    lines.append(f"installed in {info['location']}")
    if info["form"] == "compiled":
        megabytes = info["machine_code_bytes"] / 1_000_000
        lines.append(f"{len(info['compiled_modules'])} modules are machine code ({megabytes:.1f} MB)")
        lines += [f"  {name}" for name in info["compiled_modules"]]
        if info["interpreted_modules"]:
            lines.append("interpreted for reasons of their own:")
            lines += [f"  {name}" for name in info["interpreted_modules"]]
    else:
        lines.append("nothing in it is machine code; THIMBLE_BUILD=compiled pip install . makes the compiled form")
    return "\n".join(lines)


def _dotted(path: Path, package: Path) -> str:
    relative = path.relative_to(package.parent)
    return ".".join([*relative.parent.parts, relative.name.split(".")[0]])


def _sources_left(package: Path, compiled: set[str]) -> tuple[list[str], list[str]]:
    """Sort the sources in the compiled folders: left interpreted for a reason, and missing machine code."""
    interpreted: list[str] = []
    missing: list[str] = []
    for folder in COMPILED_FOLDERS:
        for path in sorted((package / folder).rglob("*.py")):
            name = _dotted(path, package)
            if path.name == "__init__.py" or name in compiled:
                continue
            is_excluded = any(line.startswith(EXCLUSION_MARK) for line in path.read_bytes().splitlines()[:30])
            (interpreted if is_excluded else missing).append(name)
    return interpreted, missing
