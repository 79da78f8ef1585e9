"""AWS's own runtime interface emulator, its standard mode, without Docker.

The binary comes out of the PyPI package `aws-sam-cli` and is kept in out/cache.
"""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

from . import namespaces
from .extension import FROZEN, ROOT, Process, Program

PACKAGE = "aws-sam-cli==1.170.0"
CACHE = ROOT / "out" / "cache" / "aws-sam-cli-1.170.0"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
API = "127.0.0.1:9001"
INVOKE_PORT = 8080
INVOKE_PATH = "/2015-03-31/functions/function/invocations"


class Unavailable(RuntimeError):
    """The binary cannot be had here; the text says why."""


def fetch() -> Path:
    """The emulator's binary, downloaded at the first call.

    Raises:
        Unavailable: No package registry, or no binary for this machine.
    """
    name = f"aws-lambda-rie-{ARCHITECTURES.get(platform.machine(), 'none')}"
    target = CACHE / name
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(CACHE.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise Unavailable(f"{PACKAGE} cannot be downloaded: {done.stderr.strip()[-200:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        member = f"samcli/local/rapid/{name}"
        if member not in wheel.namelist():
            raise Unavailable(f"{PACKAGE} has no {member}")
        partial = target.with_suffix(".partial")
        partial.write_bytes(wheel.read(member))
    partial.chmod(0o755)
    partial.rename(target)
    for path in wheels:
        path.unlink()
    return target


def layer_of(program: Program, folder: Path) -> Path:
    """A folder for /opt with the extension in it."""
    if program.form == FROZEN:
        return program.binds[0][0]
    agent = folder / "extensions" / "datadog-agent"
    agent.parent.mkdir(parents=True)
    exports = " ".join(f"{name}='{value}'" for name, value in program.variables.items())
    agent.write_text(f"#!/bin/sh\nexec env {exports} {' '.join(program.command)}\n", encoding="utf-8")
    agent.chmod(0o755)
    return folder


async def start(binary: Path, layer: Path, task: Path, handler: str, variables: dict[str, str]) -> Process:
    """Start the emulator with the layer at /opt and a Python handler; it runs them at the first invocation."""
    return await start_command(binary, layer, task, [sys.executable, "-m", "awslambdaric", handler], variables)


async def start_command(
    binary: Path, layer: Path, task: Path, bootstrap: list[str], variables: dict[str, str]
) -> Process:
    """As `start`, with the command of any runtime."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "3",
        **variables,
    }
    options = ["--runtime-interface-emulator-address", f"127.0.0.1:{INVOKE_PORT}", "--runtime-api-address", API]
    process = await asyncio.create_subprocess_exec(
        *[str(binary), *options, *bootstrap],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=task,
        preexec_fn=lambda: namespaces.mount_privately([(layer, "/opt")]),
    )
    return Process(process)


async def listening() -> None:
    """Wait until the emulator takes invocations."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", INVOKE_PORT)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)  # nothing tells when it listens
                continue
            writer.close()
            return
