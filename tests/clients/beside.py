"""A real function with a client library beside the extension of this run, in the local Lambda."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.process.extension import FROZEN, Program, intake_variables
from tests.process.local_lambda import API_KEY, LocalLambda, extension_spec
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.intake import Intake
from thimble.sandbox.runtimes import python_function
from thimble.sandbox.spec import FunctionSpec

from . import installed

TIMEOUT_S = 25.0
"""Long enough for a Java machine to start on a busy computer."""

RECEIVE_BUFFER_BYTES = 2_000_000
"""For `DD_DOGSTATSD_SO_RCVBUF`: a client sends 2,000 datagrams at once, and the default holds 277 small ones."""

ONE_METRIC_EACH = ("direct", "background")
"""Ways of sending that fill more than the default buffer. It is enlarged when the extension is fully started, which the
end of an invocation proves, so these are not sent in the first one."""

QUIET = {"DD_ENHANCED_METRICS": "false", "DD_SERVERLESS_LOGS_ENABLED": "false"}
"""So that what the intake gets is what the function sent."""

AS_DISTRIBUTIONS = {"THIMBLE_DOGSTATSD_HISTOGRAMS": "distribution"}


def python_client(module: str, env: Mapping[str, str] | None = None, handler: str = "") -> FunctionSpec:
    """A function of tests/clients/python.

    Args:
        module: Its file, without the ending.
        env: The function's variables, seen by the extension too.
        handler: What the runtime is to call, where it is not the module's own handler.
    """
    return python_function(
        handler or f"{module}.handler",
        installed.HERE / "python",
        python=str(installed.python()),
        name="orders-api",
        timeout_s=TIMEOUT_S,
        env=env or {},
    )


def node_client(package: str, handler: str, env: Mapping[str, str] | None = None) -> FunctionSpec:
    """A function for Node.js that uses a package; its runtime is tests/clients/node/bootstrap.mjs.

    AWS's own runtime interface client would need minutes of compiling to install.

    Args:
        handler: File below tests/clients/node.
    """
    place = installed.node_package(package).parent.parent
    command = [installed.need("node"), str(installed.HERE / "node" / "bootstrap.mjs"), handler]
    return FunctionSpec(
        bootstrap=command,
        root=place,
        handler=handler,
        runtime="provided.al2023",
        name="orders-api",
        timeout_s=TIMEOUT_S,
        env=env or {},
    )


async def warm_up(world: LocalLambda, mode: str) -> None:
    """Run an invocation without metrics first where the way of sending needs one."""
    if mode in ONE_METRIC_EACH:
        await world.invoke(nothing=True)
        world.intake.received.clear()


@asynccontextmanager
async def beside(
    program: Program, function: FunctionSpec, variables: Mapping[str, str] | None = None
) -> AsyncIterator[LocalLambda]:
    """Open a local Lambda whose function sees the extension at /opt/extensions, where Datadog's libraries look for it.

    Args:
        variables: Environment of the extension, beyond what every test here needs.
    """
    with tempfile.TemporaryDirectory() as name:
        layer = Path(name)
        (layer / "extensions").mkdir()
        (layer / "extensions" / "datadog-agent").touch()
        if program.form == FROZEN:
            layer = program.binds[0][0]
        script = f'mount --bind \'{layer}\' /opt && exec "$0" "$@"'
        walls = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script]
        async with Intake() as intake:
            settings = {
                "DD_API_KEY": API_KEY,
                "DD_DOGSTATSD_SO_RCVBUF": str(RECEIVE_BUFFER_BYTES),
                **intake_variables(intake.url),
                **(variables or {}),
            }
            function = replace(function, bootstrap=[*walls, *function.bootstrap])
            async with Emulator(function, [extension_spec(program, settings)]) as emulator:
                yield LocalLambda(emulator, intake)
