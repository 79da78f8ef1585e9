"""Ready function specs: Python by `awslambdaric`, Node.js by `aws-lambda-ric`, and any `bootstrap` executable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from thimble.sandbox.spec import FunctionSpec

NODE_CLIENTS = (Path("aws-lambda-ric/index.mjs"), Path("aws-lambda-ric/bin/index.mjs"))
"""Entry of the runtime interface client, version 4 and later, and before."""


class RuntimeMissing(RuntimeError):
    """The runtime or its interface client is not installed; the message says how to get it."""


def python_function(handler: str, root: Path, *, python: str = sys.executable, **fields: Any) -> FunctionSpec:
    """A function for the Python runtime.

    Args:
        handler: `module.function`, with the module in `root`.
        root: Folder of the code.
        python: Interpreter that has `awslambdaric`; by default this one.
        fields: Other fields of `FunctionSpec`.
    """
    fields.setdefault("runtime", f"python{sys.version_info.major}.{sys.version_info.minor}")
    fields.setdefault("has_log_descriptor", True)
    return FunctionSpec(
        bootstrap=[python, "-m", "awslambdaric", handler], root=root.resolve(), handler=handler, **fields
    )


def node_function(
    handler: str, root: Path, *, node: str | None = None, node_modules: Path | None = None, **fields: Any
) -> FunctionSpec:
    """A function for the Node.js runtime.

    Args:
        handler: `module.function`, with the module in `root`.
        root: Folder of the code.
        node: Node executable; None looks on `PATH`.
        node_modules: Folder that holds `aws-lambda-ric`; None looks in `root` and its parents.
        fields: Other fields of `FunctionSpec`.

    Raises:
        RuntimeMissing: No Node, or no runtime interface client.
    """
    program = node or shutil.which("node")
    if program is None:
        raise RuntimeMissing("Node.js is not installed: no `node` on PATH.")
    client = node_client(node_modules) if node_modules else find_node_client(root)
    if client is None:
        raise RuntimeMissing(
            f"Node's runtime interface client is missing: run `npm install aws-lambda-ric` in {root}, or name its"
            " node_modules folder."
        )
    if "runtime" not in fields:
        text = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        fields["runtime"] = f"nodejs{text.strip().lstrip('v').split('.')[0]}.x"
    fields.setdefault("has_log_descriptor", True)
    command = [program, os.fspath(client), handler]
    return FunctionSpec(bootstrap=command, root=root.resolve(), handler=handler, **fields)


def node_client(node_modules: Path) -> Path | None:
    """The runtime interface client's entry in one `node_modules` folder, or None."""
    return next((node_modules.resolve() / name for name in NODE_CLIENTS if (node_modules / name).is_file()), None)


def find_node_client(start: Path) -> Path | None:
    """The nearest client upwards from `start`."""
    for folder in (start.resolve(), *start.resolve().parents):
        client = node_client(folder / "node_modules")
        if client is not None:
            return client
    return None


def custom_function(root: Path, *, bootstrap: Path | None = None, handler: str = "", **fields: Any) -> FunctionSpec:
    """A function with its own runtime: an executable called `bootstrap` in `root`, or the one given.

    Raises:
        RuntimeMissing: There is no such executable.
    """
    program = bootstrap or root / "bootstrap"
    if not os.access(program, os.X_OK):
        raise RuntimeMissing(f"{program} is missing or not executable (chmod +x).")
    fields.setdefault("runtime", "provided.al2023")
    return FunctionSpec(bootstrap=[os.fspath(program.resolve())], root=root.resolve(), handler=handler, **fields)
