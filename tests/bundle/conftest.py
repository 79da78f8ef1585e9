"""Tests of the layer in dist/, run as Lambda would run it: `make bundle` comes first."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LAYER = ROOT / "dist" / "layer"
PLAY = Path(__file__).with_name("play.py")
NAMESPACES = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]

sys.path.insert(0, str(BUILD))


def unshare() -> list[str] | None:
    """The command that gives a process namespaces of its own, as root or through a user namespace."""
    for extra in ([], ["--user", "--map-root-user"]):
        command = ["unshare", *extra, *NAMESPACES]
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        ):
            return command
    return None


@pytest.fixture(scope="session")
def layer() -> Path:
    if not (LAYER / "extensions" / "datadog-agent").exists():
        pytest.fail("dist/layer is missing: run `make bundle` first")
    return LAYER


@pytest.fixture(scope="session")
def bundle(layer: Path) -> dict[str, Any]:
    """The machine-readable description of the bundle."""
    return json.loads((ROOT / "dist" / "bundle.json").read_text())


@pytest.fixture(scope="session")
def play(layer: Path) -> Callable[..., dict[str, Any]]:
    """`play(root=…, environ=…)`: one life of the extension in namespaces, see play.py; returns its record."""
    namespaces = unshare()
    if namespaces is None:
        pytest.skip("this machine allows neither root's namespaces nor user namespaces (unshare)")

    def run(**order: Any) -> dict[str, Any]:
        order = {"layer": str(layer), **{name: str(v) if isinstance(v, Path) else v for name, v in order.items()}}
        command = [*namespaces, sys.executable, str(PLAY), json.dumps(order)]
        environ = {"PATH": os.environ["PATH"]}
        result = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def empty_root(tmp_path: Path) -> Path:
    """A folder to become /: nothing in it."""
    path = tmp_path / "root"
    path.mkdir()
    return path
