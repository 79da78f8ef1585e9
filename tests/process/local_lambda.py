"""The extension of this run in the project's own local Lambda, beside a real Python function."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from thimble.sandbox.emulator import Emulator
from thimble.sandbox.intake import Intake
from thimble.sandbox.runtimes import python_function
from thimble.sandbox.spec import ExtensionSpec, PlatformOptions

from .extension import FROZEN, Program

FUNCTION = Path(__file__).with_name("function")
API_KEY = "0123456789abcdef0123456789abcdef"


def extension_spec(program: Program, variables: Mapping[str, str]) -> ExtensionSpec:
    """The program as an extension called `datadog-agent`; the frozen one sees its layer at /opt."""
    command = program.command
    if program.form == FROZEN:
        layer = program.binds[0][0]
        script = f"mount --bind '{layer}' /opt && exec {program.command[0]}"
        command = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script]
    return ExtensionSpec(
        path=Path("/opt/extensions/datadog-agent"), command=command, env={**program.variables, **variables}
    )


class LocalLambda:
    """An emulator with one function and one extension, and the intake that receives its data."""

    def __init__(self, emulator: Emulator, intake: Intake) -> None:
        self.emulator = emulator
        self.intake = intake

    async def invoke(self, **event: Any) -> Any:
        """The result of one invocation."""
        return await self.emulator.invoke(json.dumps(event).encode())

    def messages(self) -> list[Any]:
        """The text of every log entry that the intake accepted, in order."""
        return [entry["message"]["message"] for entry in self.intake.logs()]

    def own_lines(self) -> list[str]:
        """What the extension printed."""
        return [str(event["record"]).rstrip("\n") for event in self.emulator.events if event["type"] == "extension"]


@asynccontextmanager
async def local_lambda(
    program: Program | None,
    variables: Mapping[str, str] | None = None,
    *,
    options: PlatformOptions | None = None,
    timeout_s: float = 3.0,
) -> AsyncIterator[LocalLambda]:
    """Open a local Lambda; without a program the function is alone.

    Args:
        variables: Environment of the extension, beyond the key and the intake's address.
    """
    function = python_function("app.handler", FUNCTION, timeout_s=timeout_s, name="orders-api")
    async with Intake() as intake:
        settings = {
            "DD_API_KEY": API_KEY,
            "DD_LOGS_CONFIG_LOGS_DD_URL": intake.url,
            "DD_DD_URL": intake.url,
            **(variables or {}),
        }
        extensions = [extension_spec(program, settings)] if program is not None else []
        async with Emulator(function, extensions, options=options) as emulator:
            yield LocalLambda(emulator, intake)
