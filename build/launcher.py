"""Build the static launcher, for this machine or, with a cross compiler, for the other architecture."""

from __future__ import annotations

from pathlib import Path

import elf
import forms

SOURCE = forms.NATIVE / "launcher.c"

COMPILERS = {"x86_64": "x86_64-linux-gnu-gcc", "arm64": "aarch64-linux-gnu-gcc"}

FLAGS = (
    "-Os", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffreestanding", "-nostdlib", "-static",
    "-fno-pie", "-no-pie", "-fno-builtin",
    "-fno-stack-protector",  # needs libc
    "-fno-tree-loop-distribute-patterns",  # would turn loops into calls of memcpy and strlen
    "-fno-asynchronous-unwind-tables", "-fno-unwind-tables",
    "-Wl,--build-id=none,-z,noexecstack,-z,norelro,-z,noseparate-code", "-s",
)  # fmt: skip


def build(folder: Path, architecture: str, compiler: str = "gcc") -> Path:
    """Compile the launcher into `folder`; returns the program."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"launcher-{architecture}"
    extra = ["-fcf-protection=none"] if architecture == "x86_64" else []
    elf.run([compiler, *FLAGS, *extra, str(SOURCE), "-o", str(target)])
    return target
