"""What the platform's tests share: programs, a client for its APIs, and a reader of what the probe extension saw."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from thimble.sandbox.emulator import Emulator
from thimble.sandbox.runtimes import python_function
from thimble.sandbox.spec import ExtensionSpec, FunctionSpec, InvokeResult

HERE = Path(__file__).parent
PROBE = HERE / "programs" / "probe-extension"
FUNCTIONS = HERE / "functions"
ID_HEADER = "Lambda-Extension-Identifier"
EXTENSION_BASE = "/2020-01-01/extension"
RUNTIME_BASE = "/2018-06-01/runtime"

COLD = [
    "platform.initStart",
    "platform.telemetrySubscription",
    "platform.initRuntimeDone",
    "platform.extension",
    "platform.initReport",
    "platform.start",
    "platform.runtimeDone",
    "platform.report",
]
"""Platform events of a cold start and its invocation, in order."""

T = TypeVar("T")


def run(test: Coroutine[Any, Any, T], limit_s: float = 30.0) -> T:
    """Run one asynchronous test body under a time limit."""

    async def limited() -> T:
        async with asyncio.timeout(limit_s):
            return await test

    return asyncio.run(limited())


def function(**fields: Any) -> FunctionSpec:
    """The Python function of `functions/app.py`."""
    handler = fields.pop("handler", "app.handler")
    return python_function(handler, FUNCTIONS, **fields)


def waiting_function(**fields: Any) -> FunctionSpec:
    """A runtime that does nothing, so that the test itself can speak the Runtime API."""
    return FunctionSpec(bootstrap=["/bin/sleep", "600"], root=FUNCTIONS, **fields)


def waiting_extension(name: str = "datadog-agent") -> ExtensionSpec:
    """An extension process that does nothing, so that the test itself can speak the Extensions API."""
    return ExtensionSpec(path=Path("/opt/extensions") / name, command=["/bin/sleep", "600"])


class Probe:
    """One probe extension with a plan, and what it wrote down."""

    def __init__(self, folder: Path, name: str = "probe", **plan: Any) -> None:
        self.log = folder / f"{name}.jsonl"
        path = folder / name
        path.symlink_to(PROBE)
        self.spec = ExtensionSpec(path=path, env={"PROBE_LOG": str(self.log), "PROBE_PLAN": json.dumps(plan)})

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """What it noted, in order, with monotonic times."""
        if not self.log.exists():
            return []
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [entry for entry in found if entry["kind"] == kind]

    def events(self) -> list[dict[str, Any]]:
        """Lifecycle events in the order in which it got them."""
        return [entry["value"] for entry in self.entries("event")]

    def telemetry(self) -> list[dict[str, Any]]:
        """Telemetry events in the order in which it got them."""
        return [event for entry in self.entries("telemetry") for event in json.loads(entry["value"]["body"])]

    def telemetry_types(self) -> list[str]:
        return [event["type"] for event in self.telemetry()]


class Client:
    """Speaks the platform's APIs over real connections."""

    def __init__(self, address: str) -> None:
        self._base = f"http://{address}"
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, body: bytes | dict[str, Any] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request; header names are given with underscores. Returns status, headers and body."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if raw is None else io.BytesIO(raw)
        async with self._session.request(method, self._base + path, data=data, headers=names) as answer:
            return answer.status, dict(answer.headers), await answer.read()

    async def register(self, name: str = "datadog-agent", events: tuple[str, ...] = ("INVOKE", "SHUTDOWN")) -> str:
        """Register and return the identifier."""
        status, headers, body = await self.call(
            "POST", f"{EXTENSION_BASE}/register", {"events": list(events)}, Lambda_Extension_Name=name
        )
        assert status == 200, body
        return headers[ID_HEADER]

    async def next_event(self, identifier: str) -> tuple[int, dict[str, str], bytes]:
        return await self.call("GET", f"{EXTENSION_BASE}/event/next", Lambda_Extension_Identifier=identifier)

    def next_task(self, identifier: str) -> asyncio.Task[tuple[int, dict[str, str], bytes]]:
        return asyncio.get_running_loop().create_task(self.next_event(identifier))

    async def report_error(self, identifier: str, kind: str, error_type: str = "Extension.Odd") -> int:
        """Post `init` or `exit` error; returns the status."""
        status, _, _ = await self.call(
            "POST",
            f"{EXTENSION_BASE}/{kind}/error",
            b"{}",
            Lambda_Extension_Identifier=identifier,
            Lambda_Extension_Function_Error_Type=error_type,
        )
        return status

    async def next_invocation(self) -> tuple[int, dict[str, str], bytes]:
        return await self.call("GET", f"{RUNTIME_BASE}/invocation/next")

    async def respond(self, request_id: str, body: bytes) -> tuple[int, bytes]:
        status, _, data = await self.call("POST", f"{RUNTIME_BASE}/invocation/{request_id}/response", body)
        return status, data


async def open_init(emulator: Emulator, extension: str = "datadog-agent") -> Client:
    """Begin INIT in the background and return a client once the extension's process has been started."""
    emulator.init_task = asyncio.get_running_loop().create_task(emulator.warm())  # type: ignore[attr-defined]
    client = Client(await emulator.address())
    await emulator.recorder.until(lambda: emulator.recorder.moments("start", extension))
    return client


def error_of(body: bytes) -> tuple[str, str]:
    """`errorType` and `errorMessage` of an error document, which must end with a newline."""
    assert body.endswith(b"}\n")
    parsed = json.loads(body)
    assert list(parsed) == ["errorMessage", "errorType"]
    return parsed["errorType"], parsed["errorMessage"]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [str(event["type"]) for event in events]


def event(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def platform(events: list[dict[str, Any]]) -> list[str]:
    return [kind for kind in kinds(events) if kind.startswith("platform.")]


def records(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item["record"] for item in events if item["type"] == kind]


def error_type(result: InvokeResult) -> str:
    found = json.loads(result.payload)["errorType"]
    assert isinstance(found, str)
    return found
