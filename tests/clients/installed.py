"""Where `make clients` put the client libraries; a test skips with the reason where one is not there."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import pytest

from tests.helpers.forms import ROOT
from tests.helpers.tools import need

HERE = Path(__file__).parent
PLACE = ROOT / "out" / "clients"


def _present(path: Path, what: str) -> Path:
    if not path.exists():
        pytest.skip(f"{what} is not installed: run `make clients`")
    return path


def python() -> Path:
    """An interpreter with the packages of tests/clients/python/requirements.txt, `awslambdaric` among them."""
    return _present(PLACE / "python" / "bin" / "python", "Python's `datadog`")


@functools.cache
def python_version(package: str) -> str:
    """The version of a package of that interpreter."""
    code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return subprocess.run([python(), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def node_package(name: str) -> Path:
    """The folder of a package of tests/clients/node."""
    need("node")
    return _present(HERE / "node" / "node_modules" / name, f"Node's `{name}`")


def node_version(name: str) -> str:
    """The version of that package."""
    return str(json.loads((node_package(name) / "package.json").read_text(encoding="utf-8"))["version"])


def go_program() -> list[str]:
    """The command of the program in tests/clients/go."""
    need("go")
    return [str(_present(PLACE / "go" / "metrics", "Go's `datadog-go`"))]


def java_program() -> list[str]:
    """The command of the program in tests/clients/java."""
    need("mvn")
    java = need("java")
    place = _present(PLACE / "java" / "classes" / "Metrics.class", "Java's `java-dogstatsd-client`").parent.parent
    # One compiler and one collector thread: a start-up of half the CPU.
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    return [java, *options, "-cp", f"{place}/classes:{place}/lib/*", "Metrics"]
