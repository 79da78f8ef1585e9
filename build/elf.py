"""What binutils say about a shared library or program: names it needs, symbols it wants and offers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import forms


def run(command: list[str]) -> str:
    """Run a tool and return its output; a failure carries the tool's own words."""
    if shutil.which(command[0]) is None:
        raise forms.BuildError(f"{command[0]} is missing: install gcc and binutils (Debian: apt install gcc binutils).")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise forms.BuildError(f"{' '.join(command[:3])} … failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def needed(path: Path) -> list[str]:
    """Library names that `path` asks the loader for."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", run(["readelf", "-dW", str(path)]))


def undefined(path: Path) -> set[str]:
    """Names of dynamic symbols that others have to offer, weak ones left out."""
    names = set()
    for line in run(["nm", "-D", "--undefined-only", str(path)]).splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[0] == "U":
            names.add(fields[1].partition("@")[0])
    return names


def defined(path: Path) -> set[str]:
    """Names of dynamic symbols that `path` offers."""
    return {
        line.split()[-1].partition("@")[0]
        for line in run(["nm", "-D", "--defined-only", str(path)]).splitlines()
        if line.strip()
    }


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def strip(path: Path) -> None:
    """Remove what only a debugger or a linker reads."""
    run(["strip", "--strip-unneeded", "--remove-section=.comment", str(path)])


def without_unwinding(archive: Path, work: Path) -> Path:
    """A copy of a static archive without its tables for unwinding the stack, 8 % of what is linked from it.

    Only C++ exceptions, `pthread_exit` and debuggers read them; nothing here throws, and threads end by returning.
    """
    copy = work / archive.name
    run(["objcopy", "--remove-section=.eh_frame", "--remove-section=.rela.eh_frame", str(archive), str(copy)])
    return copy


def find_library(name: str, wanted_by: Path) -> Path:
    """The file that this machine's loader takes for `name`, which `wanted_by` needs."""
    for line in run(["ldd", str(wanted_by)]).splitlines():
        fields = line.split()
        if len(fields) >= 3 and fields[0] == name and fields[1] == "=>" and fields[2].startswith("/"):
            return Path(fields[2])
        if fields and fields[0].startswith("/") and Path(fields[0]).name == name:
            return Path(fields[0])
    raise forms.BuildError(f"{name}, needed by {wanted_by.name}, is not on this machine.")
