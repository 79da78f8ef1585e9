"""Run the command line as a process, the way a person does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from thimble.sandbox import isolation


@dataclass
class Outcome:
    """What a command left behind."""

    code: int
    output: str
    errors: str


def thimble(*arguments: str, cwd: Path | None = None, standard_input: str = "") -> Outcome:
    """Run `python -m thimble.cli` and return its exit status and output."""
    done = subprocess.run(
        [sys.executable, "-m", "thimble.cli", *arguments],
        cwd=cwd, input=standard_input, capture_output=True, text=True, env=dict(os.environ), timeout=50, check=False,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_isolated(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run `thimble run` in a network of its own with the extension of this very package; return its JSON report."""
    if isolation.problem():
        pytest.skip(f"no namespaces here: {isolation.problem()}")
    extension = () if "--extension" in arguments else ("--extension", "package")
    done = thimble("run", *arguments, "--root", str(folder), "--isolated", "--json", "-", *extension)
    assert done.code == code, done.errors + done.output
    return json.loads(done.output)


def log_texts(report: dict[str, Any], number: int) -> list[str]:
    """Texts of the log lines of one invocation, without their line ends."""
    return [line["text"].rstrip("\n") for line in report["invocations"][number - 1]["logs"]]
