"""What the extension asks of the Lambda APIs: the requests themselves, and the ARN in what it sends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .extension import Program
from .scripted_lambda import IDENTIFIER, NEXT, OTHER, REGISTER, TELEMETRY, reply
from .world import World

SUBSCRIPTION = {
    "schemaVersion": "2022-12-13",
    "destination": {"protocol": "HTTP", "URI": "http://sandbox:8999/"},
    "types": ["platform", "extension", "function"],
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
}


@pytest.mark.parametrize(
    ("init_type", "events"),
    [
        ("", ["INVOKE", "SHUTDOWN"]),
        ("on-demand", ["INVOKE", "SHUTDOWN"]),
        ("snap-start", ["INVOKE", "SHUTDOWN"]),
        ("provisioned-concurrency", ["INVOKE", "SHUTDOWN"]),
        ("Lambda-Managed-Instances", ["INVOKE", "SHUTDOWN"]),
        ("lambda-managed-instances", ["SHUTDOWN"]),
    ],
)
async def test_register_names_the_events_that_the_initialization_type_knows(
    program: Program, init_type: str, events: list[str]
) -> None:
    async with World(program, AWS_LAMBDA_INITIALIZATION_TYPE=init_type) as world:
        await world.start()
        (call,) = world.api.of(REGISTER)
        assert (call.method, call.path) == ("POST", "/2020-01-01/extension/register")
        assert call.headers["lambda-extension-name"] == "datadog-agent"
        assert call.headers["lambda-extension-accept-feature"] == "accountId"
        assert call.headers["content-type"] == "application/json"
        assert json.loads(call.body) == {"events": events}


@pytest.mark.parametrize(
    ("variables", "changes"),
    [
        ({}, {}),
        ({"DD_SERVERLESS_LOGS_ENABLED": "false"}, {"types": ["platform"]}),
        ({"DD_LOGS_ENABLED": "false"}, {"types": ["platform"]}),
        ({"DD_SERVERLESS_LOGS_ENABLED": "true"}, {}),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}, {"schemaVersion": "2025-01-29"}),
    ],
)
async def test_the_subscription_follows_the_settings(
    program: Program, variables: dict[str, str], changes: dict[str, object]
) -> None:
    async with World(program, **variables) as world:
        await world.start()
        (call,) = world.api.of(TELEMETRY)
        assert (call.method, call.path) == ("PUT", "/2022-07-01/telemetry")
        assert json.loads(call.body) == SUBSCRIPTION | changes


YAML_CASES = {
    "logs off": ("logs_enabled: false\n", {}, ["platform"]),
    "serverless logs off": ("serverless_logs_enabled: false\n", {}, ["platform"]),
    "one of both on": ("serverless_logs_enabled: false\nlogs_enabled: true\n", {}, SUBSCRIPTION["types"]),
    "the environment goes first": ("logs_enabled: false\n", {"DD_LOGS_ENABLED": "true"}, SUBSCRIPTION["types"]),
    "an unusable variable does not": ("logs_enabled: false\n", {"DD_LOGS_ENABLED": "maybe"}, ["platform"]),
    "about something else": ("env: test\n", {}, SUBSCRIPTION["types"]),
    "malformed": ("logs_enabled: false\n  : [\n", {}, SUBSCRIPTION["types"]),
}


@pytest.mark.parametrize(("text", "variables", "types"), YAML_CASES.values(), ids=YAML_CASES)
async def test_the_subscription_follows_the_file_beside_the_code(
    program: Program, tmp_path: Path, text: str, variables: dict[str, str], types: list[str]
) -> None:
    (tmp_path / "datadog.yaml").write_text(text, encoding="utf-8")
    async with World(program, LAMBDA_TASK_ROOT=str(tmp_path), **variables) as world:
        await world.start()
        (call,) = world.api.of(TELEMETRY)
        assert json.loads(call.body)["types"] == types
        await world.invocation("a line")
        assert await world.shutdown() == 0
        assert ("a line" in world.messages()) == (types != ["platform"])
        warned = text.count("[") + list(variables.values()).count("maybe")
        assert len(world.own_lines()) == warned, "said once, though two stages need the settings"


async def test_a_proxy_for_the_intake_is_not_used_for_the_lambda_apis(program: Program) -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "DD_PROXY_HTTPS"), "http://127.0.0.1:1")
    async with World(program, **proxies) as world:
        await world.start()
        await world.invocation()
        assert [call.kind for call in world.api.calls] == [REGISTER, TELEMETRY, NEXT, NEXT]


async def test_every_later_request_carries_the_identifier_of_the_register_answer(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        for _ in range(3):
            await world.invocation("a line")
        assert await world.shutdown() == 0
        assert "lambda-extension-identifier" not in world.api.of(REGISTER)[0].headers
        later = [call for call in world.api.calls if call.kind != REGISTER]
        assert len(later) == 5
        assert {call.headers["lambda-extension-identifier"] for call in later} == {IDENTIFIER}
        assert not any(call.body for call in world.api.of(NEXT))
        assert world.api.of(OTHER) == []


async def test_all_requests_share_one_connection(program: Program) -> None:
    async with World(program) as world:
        await world.start()
        await world.invocation()
        await world.invocation()
        assert len({call.peer for call in world.api.calls}) == 1


@pytest.mark.parametrize(
    ("region", "account", "arn"),
    [
        ("eu-west-1", "210987654321", "arn:aws:lambda:eu-west-1:210987654321:function:orders-api"),
        ("us-gov-west-1", "210987654321", "arn:aws-us-gov:lambda:us-gov-west-1:210987654321:function:orders-api"),
        ("cn-north-1", "210987654321", "arn:aws-cn:lambda:cn-north-1:210987654321:function:orders-api"),
        ("", "", "arn:aws:lambda:us-east-1:none:function:orders-api"),
    ],
)
async def test_logs_name_the_function_by_the_account_of_the_register_answer(
    program: Program, region: str, account: str, arn: str
) -> None:
    body = json.dumps({"accountId": account} if account else {}).encode()
    async with World(program, AWS_REGION=region, AWS_DEFAULT_REGION=region) as world:
        world.api.script(REGISTER, reply(200, body, {"Lambda-Extension-Identifier": IDENTIFIER}))
        await world.start()
        await world.invocation("a line")
        entries = [entry for entry in world.intake.logs() if entry["message"]["message"] == "a line"]
        assert [entry["message"]["lambda"]["arn"] for entry in entries] == [arn]
        assert f"function_arn:{arn}" in entries[0]["ddtags"].split(",")
        assert f"account_id:{account or 'none'}" in entries[0]["ddtags"].split(",")
