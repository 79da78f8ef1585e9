"""What travels with an invocation, to the runtime and to extensions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.sandbox.support import FUNCTIONS, Probe, event, function, records, run
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.runtimes import RuntimeMissing, custom_function, node_function, python_function
from thimble.sandbox.spec import PlatformOptions, discover_extensions

TRACE = "Root=1-69a56343-1f0c2b3a4d5e6f708192a3b4;Parent=6b1f0a2c3d4e5f60;Sampled=1"
REQUEST_ID = "5b1f6c5e-0c57-4d0a-9a0c-7d6b7a1f2c33"
NODE_MODULES = Path(os.environ.get("THIMBLE_NODE_MODULES") or Path(__file__).parents[1] / "clients/node/node_modules")


def test_identity_trace_and_deadline_reach_both_sides(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        spec = function(name="orders-api", account_id="210987654321", region="eu-west-1", timeout_s=7)
        async with Emulator(spec, probe.spec) as emulator:
            result = await emulator.invoke(
                event(context=True),
                trace=TRACE,
                request_id=REQUEST_ID,
                client_context='{"custom":{"a":"b"}}',
                cognito_identity='{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}',
            )
            told = probe.events()[0]
            start = next(moment for moment in emulator.timeline if moment.kind == "invoke_start")
            assert told == {
                "eventType": "INVOKE",
                "deadlineMs": told["deadlineMs"],
                "requestId": REQUEST_ID,
                "invokedFunctionArn": "arn:aws:lambda:eu-west-1:210987654321:function:orders-api",
                "tracing": {"type": "X-Amzn-Trace-Id", "value": TRACE},
            }
            assert 6900 <= told["deadlineMs"] - start.wall_ms <= 7000
            seen = json.loads(result.payload)["context"]
            assert seen == {
                "trace": TRACE,
                "custom": {"a": "b"},
                "identity": "id",
                "arn": told["invokedFunctionArn"],
            }
            assert 6500 < json.loads(result.payload)["deadline_ms"] <= 7000
            tracing = records(emulator.events, "platform.start")[0]["tracing"]
            assert (tracing["value"], len(tracing["spanId"])) == (TRACE, 16)
            registered = probe.entries("registered")[0]["value"]["body"]
            assert registered == {
                "functionName": "orders-api",
                "functionVersion": "$LATEST",
                "handler": "app.handler",
                "accountId": "210987654321",
            }

    run(body())


def test_an_unsampled_trace_shows_in_no_event(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path)
        async with Emulator(function(), probe.spec, options=PlatformOptions(has_account_id=False)) as emulator:
            result = await emulator.invoke(trace=TRACE.replace("Sampled=1", "Sampled=0"))
            assert "tracing" not in records(emulator.events, "platform.start")[0]
            assert result.report is not None
            assert "tracing" not in result.report
            assert "accountId" not in probe.entries("registered")[0]["value"]["body"]

    run(body())


def test_a_tenant_reaches_isolated_functions_only() -> None:
    async def body() -> None:
        for is_isolated in (True, False):
            async with Emulator(function(is_tenant_isolated=is_isolated)) as emulator:
                result = await emulator.invoke(tenant_id="acme")
                assert result.report is not None
                assert result.report.get("tenantId") == ("acme" if is_isolated else None)

    run(body())


def test_structured_logs_arrive_as_objects(tmp_path: Path) -> None:
    async def body() -> None:
        probe = Probe(tmp_path, wait_for_runtime_done=True)
        async with Emulator(function(log_format="JSON"), probe.spec) as emulator:
            result = await emulator.invoke(event(log="paid"))
            record = next(item["record"] for item in result.logs if isinstance(item["record"], dict))
            assert (record["message"], record["level"], record["requestId"]) == ("paid", "INFO", result.request_id)
            assert record in [item["record"] for item in probe.telemetry()]

    run(body())


def test_the_console_reads_like_cloudwatch() -> None:
    async def body() -> None:
        async with Emulator(function(timeout_s=0.4)) as emulator:
            first = await emulator.invoke(event(print="hello"))
            await emulator.invoke(event(sleep_s=3))
            lines = emulator.transcript
            assert lines[0] == f"START RequestId: {first.request_id} Version: $LATEST"
            assert lines[1] == "hello"
            assert lines[2] == f"END RequestId: {first.request_id}"
            assert lines[3].startswith(f"REPORT RequestId: {first.request_id}\tDuration: ")
            assert "\tInit Duration: " in lines[3]
            assert lines[-1].endswith("\tStatus: timeout\t")

    run(body())


def test_an_exec_wrapper_goes_before_the_bootstrap(tmp_path: Path) -> None:
    async def body() -> None:
        wrapper = tmp_path / "wrapper"
        wrapper.write_text('#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n')
        wrapper.chmod(0o755)
        async with Emulator(function(env={"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)})) as emulator:
            result = await emulator.invoke(event(env=True))
            assert json.loads(result.payload)["env"]["WRAPPED"] == "yes"

    run(body())


def test_a_bootstrap_executable_is_a_runtime_too(tmp_path: Path) -> None:
    async def body() -> None:
        bootstrap = tmp_path / "bootstrap"
        bootstrap.write_text(
            "#!/bin/sh\n"
            'base="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"\n'
            "while true; do\n"
            '  head="$(mktemp)"; curl -sS -D "$head" "$base/next" > "$head.body"\n'
            "  id=$(grep -i Lambda-Runtime-Aws-Request-Id \"$head\" | tr -d '[:space:]' | cut -d: -f2)\n"
            '  curl -sS -X POST --data-binary "@$head.body" "$base/$id/response" > /dev/null\n'
            "done\n"
        )
        bootstrap.chmod(0o755)
        async with Emulator(custom_function(tmp_path, env={"TMPDIR": str(tmp_path)})) as emulator:
            assert (await emulator.invoke(b'{"echo":1}')).payload == b'{"echo":1}'
            assert (await emulator.invoke(b'{"echo":2}')).payload == b'{"echo":2}'

    run(body())


def test_a_missing_runtime_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing, match=r"bootstrap is missing or not executable \(chmod \+x\)"):
        custom_function(tmp_path)
    with pytest.raises(RuntimeMissing, match="npm install aws-lambda-ric"):
        node_function("app.handler", tmp_path, node="/bin/true")


def test_a_node_function_runs() -> None:
    try:
        spec = node_function("orders.handler", FUNCTIONS, node_modules=NODE_MODULES)
    except RuntimeMissing as missing:
        pytest.skip(str(missing))

    async def body() -> None:
        async with Emulator(spec) as emulator:
            result = await emulator.invoke(event(n=7))
            answer = json.loads(result.payload)
            assert (answer["n"], answer["requestId"]) == (7, result.request_id)
            assert answer["runtime"].startswith("AWS_Lambda_nodejs")
            assert any("node says 7" in str(item["record"]) for item in result.logs)
            failed = await emulator.invoke(b'{"raise":"no"}')
            assert json.loads(failed.payload)["errorType"] == "TypeError"

    run(body())


def test_extensions_are_the_files_of_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("zeta", "alpha", "data.py"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert [spec.name for spec in discover_extensions(tmp_path)] == ["alpha", "data.py", "zeta"]
    assert discover_extensions(tmp_path / "absent") == []


def test_python_functions_are_described_completely() -> None:
    spec = python_function("app.handler", FUNCTIONS, memory_mb=1024)
    assert (spec.handler, spec.memory_mb, spec.has_log_descriptor) == ("app.handler", 1024, True)
    assert spec.root.is_absolute()
