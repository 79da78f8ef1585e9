"""The project's local intake as a process of its own, on its own core where there are two, with TLS on request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import namespaces
from bench.harness import ROOT, Unavailable

WAIT_S = 60.0


class IntakeProcess:
    """Listens from entry to exit of a `with` block; its totals are there after `stop`.

    Args:
        ca_file: Speak TLS, and leave the authority's certificate there.
        latency_ms: Hold every answer back so long.

    Raises:
        Unavailable: On entering, when the packages of the local sandbox are not installed.
    """

    def __init__(self, ca_file: Path | None = None, latency_ms: float = 0.0) -> None:
        self._arguments = ["--latency-ms", str(latency_ms)]
        if ca_file is not None:
            self._arguments += ["--ca-out", str(ca_file)]
        self._ca_file = ca_file
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> IntakeProcess:
        namespaces.enter()
        command = [sys.executable, "-m", "thimble.sandbox.intake", *self._arguments]
        environment = dict(os.environ, PYTHONPATH=str(ROOT / "src"))
        self._process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.url = self._read()["url"]
        except ValueError as error:
            self._process.kill()
            raise Unavailable("the local intake does not start: install thimble[sandbox]") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def variables(self) -> dict[str, str]:
        """What the extension needs to find it."""
        found = dict.fromkeys(("DD_LOGS_CONFIG_LOGS_DD_URL", "DD_DD_URL", "DD_APM_DD_URL"), self.url)
        if self._ca_file is not None:
            found["DD_TLS_CERT_FILE"] = str(self._ca_file)
        return found

    def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def command(self, text: str) -> dict[str, Any]:
        """Send one command line; returns its answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def accepted(self) -> int:
        """How many log payloads were accepted so far."""
        return int(self.command("totals")["totals"].get("logs", {}).get("accepted", 0))

    def connections(self) -> int:
        """How many connections were opened so far, of every product."""
        return int(self.command("totals")["connections"])

    def stop(self) -> dict[str, int]:
        """End it; returns the totals of the logs, see `stop_all`."""
        return self.stop_all().get("logs", {})

    def stop_all(self) -> dict[str, dict[str, int]]:
        """End it; returns per product `requests`, `accepted`, `wire_bytes`, `raw_bytes`, `item_count`.

        Raises:
            RuntimeError: A payload could not be decoded or was refused.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        totals: dict[str, dict[str, int]] = self._read()["totals"]
        self._process.wait(WAIT_S)
        for product, sums in totals.items():
            if sums["problems"] or sums["requests"] != sums["accepted"]:
                raise RuntimeError(f"the intake did not like every payload of {product}: {sums}")
        return totals
