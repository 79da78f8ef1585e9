"""Programs that some tests use and that a machine may lack."""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRED_VARIABLE = "THIMBLE_REQUIRED_TOOLS"
"""Programs that must be there, separated by blanks: `.ci/run` sets it, so that no test is skipped unseen."""


def need(tool: str) -> str:
    """The path of a program; skips the test where it is not installed, or fails where it must be."""
    path = shutil.which(tool)
    if path is None:
        if tool in os.environ.get(REQUIRED_VARIABLE, "").split():
            pytest.fail(f"{tool} must be installed here ({REQUIRED_VARIABLE}) and is not")
        pytest.skip(f"{tool} is not installed")
    return path
