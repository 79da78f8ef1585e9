"""Who sees which environment variable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.support import Probe, event, function, run
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.spec import ExtensionSpec, FunctionSpec, PlatformOptions
from thimble.sandbox.variables import HIDDEN_FROM_EXTENSIONS, extension_variables, log_stream_name, runtime_variables

API = "127.0.0.1:9"


def variables(**fields: Any) -> dict[str, str]:
    options = fields.pop("options", PlatformOptions())
    return runtime_variables(FunctionSpec(bootstrap=["x"], root=Path("/code"), **fields), options, API, "stream")


def test_both_processes_see_exactly_what_lambda_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_LEAKED", "from the developer's shell")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")

    async def body() -> None:
        probe = Probe(tmp_path)
        spec = function(name="orders-api", env={"DD_SERVICE": "orders"}, memory_mb=256, region="eu-west-1")
        async with Emulator(spec, probe.spec) as emulator:
            result = await emulator.invoke(event(env=True))
            runtime = json.loads(result.payload)["env"]
            extension = probe.entries("registered")[0]["value"]["env"]
            # What the test's own programs add by themselves, or take away.
            for name in ("PROBE_LOG", "PROBE_PLAN", "LC_CTYPE"):
                extension.pop(name, None)
                runtime.pop(name, None)
            assert extension["DD_SERVICE"] == runtime["DD_SERVICE"] == "orders"
            assert runtime["AWS_LAMBDA_FUNCTION_NAME"] == extension["AWS_LAMBDA_FUNCTION_NAME"] == "orders-api"
            assert extension["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
            assert extension["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
            assert extension["AWS_REGION"] == extension["AWS_DEFAULT_REGION"] == "eu-west-1"
            assert runtime["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
            assert runtime["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/orders-api"
            assert "DD_LEAKED" not in runtime
            assert "DD_LEAKED" not in extension
            assert "PYTHONSTARTUP" not in runtime
            hidden = {name for name in runtime if name.startswith("_")} | HIDDEN_FROM_EXTENSIONS
            assert not hidden & set(extension)
            assert {"_HANDLER", "LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV"} <= set(runtime)

    run(body())


def test_chosen_variables_can_leak_to_an_extension() -> None:
    extension = ExtensionSpec(path=Path("/x"), leak=frozenset({"_HANDLER", "LAMBDA_TASK_ROOT"}), env={"ONLY": "here"})
    seen = extension_variables(variables(handler="app.handler"), extension)
    assert (seen["_HANDLER"], seen["LAMBDA_TASK_ROOT"], seen["ONLY"]) == ("app.handler", "/code", "here")
    assert "AWS_EXECUTION_ENV" not in seen


def test_log_format_and_level_show_when_configured() -> None:
    assert "AWS_LAMBDA_LOG_FORMAT" not in variables()
    configured = variables(log_format="JSON", log_level="DEBUG")
    assert (configured["AWS_LAMBDA_LOG_FORMAT"], configured["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "DEBUG")


def test_snapstart_has_container_credentials_and_no_log_stream() -> None:
    seen = variables(init_type="snap-start")
    assert seen["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == f"http://{API}/2021-04-23/credentials"
    assert not {"AWS_ACCESS_KEY_ID", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_LOG_GROUP_NAME"} & set(seen)


def test_managed_instances_tell_the_runtime_its_concurrency() -> None:
    options = PlatformOptions(managed_concurrency=3)
    seen = variables(init_type="lambda-managed-instances", options=options)
    assert seen["AWS_LAMBDA_MAX_CONCURRENCY"] == "3"
    assert "AWS_LAMBDA_MAX_CONCURRENCY" not in extension_variables(seen, ExtensionSpec(path=Path("/x")))


def test_a_customer_cannot_redirect_the_runtime_api() -> None:
    assert variables(env={"AWS_LAMBDA_RUNTIME_API": "evil:1"})["AWS_LAMBDA_RUNTIME_API"] == API


def test_the_library_path_is_lambdas_own_unless_asked_otherwise() -> None:
    assert variables()["LD_LIBRARY_PATH"].startswith("/var/lang/lib:/lib64:")
    assert variables()["LD_LIBRARY_PATH"].endswith(":/opt/lib")
    assert "LD_LIBRARY_PATH" not in variables(options=PlatformOptions(has_real_library_path=False))


def test_a_log_stream_is_named_after_day_and_version() -> None:
    name = log_stream_name("$LATEST", 1_772_446_531_402)
    assert name.startswith("2026/03/02/[$LATEST]")
    assert len(name.partition("]")[2]) == 32


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
def test_the_arn_is_in_the_regions_partition(region: str, partition: str) -> None:
    spec = FunctionSpec(bootstrap=["x"], root=Path("/"), name="orders-api", account_id="210987654321", region=region)
    assert spec.arn == f"arn:{partition}:lambda:{region}:210987654321:function:orders-api"
