"""Import a script of `build/`, which is no package."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from tests.helpers.forms import ROOT


def import_build_tool(name: str) -> ModuleType:
    """Import `build/<name>.py` under its plain name, as `setup.py` does."""
    folder = str(ROOT / "build")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)
