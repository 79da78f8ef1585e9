"""Clients and servers of other makes, as processes: Node's http and Go's net/http (tests/http/peers)."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.forms import ROOT

PEERS = Path(__file__).parent / "peers"
MAKES = ("node", "go")


def go_program() -> Path:
    """The Go peer, built once per version of its source."""
    source = PEERS / "peer.go"
    program = ROOT / "out" / "peers" / f"peer-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            made = program.with_suffix(".new")
            environment = dict(os.environ, GOFLAGS="-mod=mod", GO111MODULE="off", CGO_ENABLED="0")
            subprocess.run(["go", "build", "-o", str(made), str(source)], check=True, env=environment, cwd="/")
            made.replace(program)
    return program


def command(make: str) -> list[str]:
    """How to start a peer; skips the test where its language is not installed."""
    if shutil.which(make) is None:
        pytest.skip(f"{make} is not installed")
    return ["node", str(PEERS / "peer.mjs")] if make == "node" else [str(go_program())]


def run_client(make: str, url: str) -> dict[str, Any]:
    """Let a foreign client go through its scenario against `url`; what it saw."""
    result = subprocess.run([*command(make), "client", url], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@contextmanager
def foreign_server(make: str, key: Path | None = None, certificate: Path | None = None) -> Iterator[int]:
    """A foreign server, with TLS when there is a key; gives its port."""
    files = [str(key), str(certificate)] if key is not None else []
    process = subprocess.Popen(
        [*command(make), "server", *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
