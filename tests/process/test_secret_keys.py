"""A key that is a secret: from every source, late, refused, renewed, under SnapStart; seen from outside the process.

AWS is at its own names on port 443, with TLS; see `aws.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from .aws import CLOSE, CONTAINER, CONTAINER_PORT, CONTAINER_TOKEN, DENIED, GARBAGE, HANG, THROTTLED, Aws
from .connect_proxy import ConnectProxy
from .extension import Program
from .scripted_lambda import NEXT
from .test_bad_intake import ALLOWED_MS
from .world import World

SECRET = "SecretsManager"
KEY = "fedcba9876543210fedcba9876543210"
ORG = "11111111-2222-3333-4444-555555555555"
ERROR = "Error decrypting key: "


def secret_world(aws: Aws, program: Program, **variables: str) -> World:
    """A world whose plain key is not the one to use."""
    return World(aws.seen_by(program), **{"DD_API_KEY": "plain-key-not-to-be-used", **variables})


def keys_sent(world: World) -> set[str]:
    return {received.headers["DD-API-KEY"] for received in world.intake.received}


def lines_sent(world: World) -> list[Any]:
    return [text for text in world.messages() if str(text).startswith("line")]


def store_secret(aws: Aws, text: str = KEY, region: str = "us-east-1") -> str:
    """Returns the secret's ARN."""
    return str(aws.create("secretsmanager.CreateSecret", region, Name="dd-key", SecretString=text)["ARN"])


def store_parameter(aws: Aws, region: str = "us-east-1") -> str:
    aws.create("AmazonSSM.PutParameter", region, Name="/dd/key", Value=KEY, Type="SecureString")
    return f"arn:aws:ssm:{region}:123456789012:parameter/dd/key"


def by_secret_name(aws: Aws) -> dict[str, str]:
    store_secret(aws, f" {KEY}\r\n")
    return {"DD_API_KEY_SECRET_ARN": "dd-key"}


def by_secret_elsewhere(aws: Aws) -> dict[str, str]:
    text = f'{{"apiKey": "not this one", "dd_api_key": "{KEY}"}}'
    return {"DD_API_KEY_SECRET_ARN": store_secret(aws, text, "eu-central-1")}


def by_parameter_name(aws: Aws) -> dict[str, str]:
    store_parameter(aws)
    return {"DD_API_KEY_SSM_ARN": "/dd/key"}


def by_parameter_elsewhere(aws: Aws) -> dict[str, str]:
    return {"DD_API_KEY_SSM_ARN": store_parameter(aws, "eu-central-1")}


def by_cipher_text(aws: Aws) -> dict[str, str]:
    return {"DD_KMS_API_KEY": aws.encrypt(KEY)}


def by_cipher_text_of_the_console(aws: Aws) -> dict[str, str]:
    return {"DD_KMS_API_KEY": aws.encrypt(KEY, LambdaFunctionName="orders-api")}


def by_cipher_text_before_a_secret(aws: Aws) -> dict[str, str]:
    store_secret(aws, "the wrong one")
    return {"DD_KMS_API_KEY": aws.encrypt(KEY), "DD_API_KEY_SECRET_ARN": "dd-key", "DD_API_KEY_SSM_ARN": "/dd/key"}


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        (by_secret_name, 1),
        (by_secret_elsewhere, 1),
        (by_parameter_name, 1),
        (by_parameter_elsewhere, 1),
        (by_cipher_text, 1),
        (by_cipher_text_of_the_console, 2),
        (by_cipher_text_before_a_secret, 1),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_every_source_gives_its_key_without_a_word(
    program: Program, tmp_path: Path, source: Any, calls: int
) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **source(aws)) as world:
        await world.start()
        for number in range(3):
            await world.invocation(f"line {number}")
        assert await world.shutdown() == 0
        assert keys_sent(world) == {KEY}
        assert lines_sent(world) == ["line 0", "line 1", "line 2"]
        assert len(aws.calls) == calls
        assert world.own_lines() == []


async def test_delegated_authentication_goes_before_all_other_sources(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws:
        settings = {"DD_ORG_UUID": ORG, "DD_KMS_API_KEY": "QUJD", "DD_API_KEY_SECRET_ARN": "dd-key"}
        async with secret_world(aws, program, **settings) as world:
            await world.start()
            await world.invocation("line")
            assert await world.shutdown() == 0
            assert keys_sent(world) == {"delegated-key"}
            assert aws.calls == []
            assert len(aws.exchanges) == 1
            assert aws.exchanges[0].headers["Authorization"].startswith("Delegated QWN0aW9uPUdldENhbGxlcklkZW50aXR5")
            assert aws.exchanges[0].body == b""
            assert world.own_lines() == []


async def test_a_refused_delegation_is_said_without_the_answers_text(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws:
        aws.delegated_key = None
        async with secret_world(aws, program, DD_ORG_UUID=ORG) as world:
            await world.start()
            await world.invocation("line")
            assert await world.shutdown() == 0
            said = [line for line in world.own_lines() if ERROR in line]
            assert len(said) == 1
            assert "status 403" in said[0]
            assert "DD_ORG_UUID" in said[0]
            assert not any("echo of a secret" in line or "Delegated" in line for line in world.own_lines())


async def test_the_secret_is_asked_for_beside_the_start_and_never_before_next(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **by_secret_name(aws)) as world:
        await world.start()
        await aws.wait_for_calls(1)
        assert aws.calls[0].at_s > world.api.of(NEXT)[0].at_s
        assert await world.shutdown(has_report=False) == 0


async def test_a_flush_waits_for_a_key_that_is_under_way_and_sends_at_once(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **by_secret_name(aws)) as world:
        aws.is_answering.clear()
        await world.start()
        asyncio.get_running_loop().call_later(0.7, aws.is_answering.set)
        assert 400 < await world.invocation("line") < ALLOWED_MS
        assert lines_sent(world) == ["line"], "sent within the invocation that waited"
        assert await world.shutdown() == 0
        assert world.own_lines() == []


@pytest.mark.parametrize("strategy", ["end", "periodically,100", "continuously,100", "default"])
async def test_nothing_is_lost_while_the_key_is_late(program: Program, tmp_path: Path, strategy: str) -> None:
    async with Aws(tmp_path) as aws:
        settings = {**by_secret_name(aws), "DD_SERVERLESS_FLUSH_STRATEGY": strategy}
        async with secret_world(aws, program, **settings) as world:
            aws.is_answering.clear()
            await world.start()
            for number in range(3):
                assert await world.invocation(f"line {number}", function_ms=150) < ALLOWED_MS
                assert world.intake.received == []
            aws.is_answering.set()
            await world.invocation("line 3", function_ms=150)
            assert await world.shutdown() == 0
            assert lines_sent(world) == [f"line {number}" for number in range(4)]
            assert keys_sent(world) == {KEY}
            assert world.own_lines() == []


@pytest.mark.parametrize("fault", [500, 503, THROTTLED, CLOSE])
async def test_one_failure_of_the_service_is_made_good_in_silence(
    program: Program, tmp_path: Path, fault: int | str
) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **by_secret_name(aws)) as world:
        aws.faults.append(fault)
        await world.start()
        await world.invocation("line")
        assert await world.shutdown() == 0
        assert len(aws.calls) == 2
        assert lines_sent(world) == ["line"]
        assert world.own_lines() == []


async def test_a_service_that_never_answers_is_asked_again_after_five_seconds(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **by_secret_name(aws)) as world:
        aws.faults.append(HANG)
        await world.start()
        sent_at = 0
        for number in range(6):
            assert await world.invocation(f"line {number}") < ALLOWED_MS
            sent_at = sent_at or (number if world.intake.received else 0)
        assert await world.shutdown() == 0
        assert 5.0 <= aws.calls[1].at_s - aws.calls[0].at_s < 7.0
        assert sent_at == 2, "two flushes of 2 s end without the key, the third one gets it"
        assert lines_sent(world) == [f"line {number}" for number in range(6)]


async def test_a_freeze_in_the_middle_of_a_call_says_nothing_about_the_service(
    program: Program, tmp_path: Path
) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **by_secret_name(aws)) as world:
        aws.faults.extend([CLOSE, 503])
        aws.is_answering.clear()
        await world.start()
        await aws.wait_for_calls(1)
        world.extension.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, world.extension.pid, os.WSTOPPED | os.WNOWAIT)
        aws.is_answering.set()
        await asyncio.sleep(3.5)  # frozen, and meanwhile the connection breaks
        world.extension.send_signal(signal.SIGCONT)
        await aws.wait_for_calls(3)
        await world.invocation("line")
        assert await world.shutdown() == 0
        assert len(aws.calls) == 3, "the broken call, the one that counts, its repetition"
        assert lines_sent(world) == ["line"]
        assert world.own_lines() == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            DENIED,
            ["AccessDeniedException: User", "Allow secretsmanager:GetSecretValue on dd-key", "role orders-role"],
        ),
        (THROTTLED, ["ThrottlingException: Rate exceeded"]),
        (500, ["InternalServiceError"]),
        (GARBAGE, ["secretsmanager.us-east-1.amazonaws.com", "status 200 without JSON"]),
        (CLOSE, ["secretsmanager.us-east-1.amazonaws.com cannot be asked"]),
    ],
)  # fmt: skip
async def test_a_failure_that_lasts_is_named_once_and_costs_no_invocation(
    program: Program, tmp_path: Path, fault: int | str, words: list[str]
) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **by_secret_name(aws)) as world:
        aws.faults.extend([fault] * 100)
        await world.start()
        await world.invocation("line 0")
        for number in range(1, 10):
            assert await world.invocation(f"line {number}") < 500
        assert len(aws.calls) <= 2
        assert await world.shutdown() == 0
        lines = world.own_lines()
        said = [line for line in lines if ERROR in line]
        assert len(said) == 1
        assert all(word in said[0] for word in words), said
        assert len([line for line in lines if "Failed to resolve API key" in line]) == 1
        assert world.intake.received == []
        assert any("Lost in this sandbox: " in line and "no_api_key" in line for line in lines), lines


async def test_a_secret_that_does_not_exist_is_named(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, DD_API_KEY_SECRET_ARN="no-such-secret") as world:
        await world.start()
        await world.invocation("line")
        assert await world.shutdown() == 0
        said = next(line for line in world.own_lines() if ERROR in line)
        assert "secretsmanager:GetSecretValue on no-such-secret: ResourceNotFoundException" in said


async def test_a_permission_that_comes_later_lets_through_what_was_kept(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws, secret_world(aws, program, **by_secret_name(aws)) as world:
        aws.faults.append(DENIED)
        await world.start()
        began_s = time.monotonic()
        number = 0
        while time.monotonic() - began_s < 11:
            await world.invocation(f"line {number}", function_ms=900)
            number += 1
        await world.invocation(f"line {number}")
        assert len(aws.calls) == 2
        assert aws.calls[1].at_s - aws.calls[0].at_s >= 10
        assert lines_sent(world) == [f"line {index}" for index in range(number + 1)]
        assert await world.shutdown() == 0
        assert not any("Lost" in line for line in world.own_lines())


async def test_a_renewed_secret_reaches_the_logs_after_the_reload_interval(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws:
        settings = {**by_secret_name(aws), "DD_API_KEY_SECRET_RELOAD_INTERVAL": "1"}
        async with secret_world(aws, program, **settings) as world:
            await world.start()
            await world.invocation("line 0")
            assert keys_sent(world) == {KEY}
            aws.create("secretsmanager.PutSecretValue", SecretId="dd-key", SecretString="renewed-key")
            await asyncio.sleep(1.1)  # the interval
            await world.invocation("line 1", function_ms=300)
            assert world.intake.received[-1].headers["DD-API-KEY"] == "renewed-key"
            await asyncio.sleep(1.1)
            aws.faults.extend([DENIED, DENIED])
            await world.invocation("line 2", function_ms=300)
            assert world.intake.received[-1].headers["DD-API-KEY"] == "renewed-key"
            assert await world.shutdown() == 0
            assert lines_sent(world) == ["line 0", "line 1", "line 2"]


async def test_under_snapstart_nothing_is_asked_before_the_first_invocation(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws:
        settings = {
            **by_secret_name(aws),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_SESSION_TOKEN": "",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{CONTAINER_PORT}{CONTAINER}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
        }
        async with secret_world(aws, program, **settings) as world:
            await world.start()
            await asyncio.sleep(1.5)  # longer than the flush timer
            assert aws.container_calls == []
            assert aws.calls == []
            await world.invocation("line")
            assert await world.shutdown() == 0
            assert aws.container_calls == [CONTAINER_TOKEN]
            assert [call.headers["x-amz-security-token"] for call in aws.calls] == ["restored-token"]
            assert keys_sent(world) == {KEY}
            assert world.own_lines() == []


async def test_without_credentials_one_line_says_so(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws:
        settings = {**by_secret_name(aws), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        async with secret_world(aws, program, **settings) as world:
            await world.start()
            await world.invocation("line")
            assert await world.shutdown() == 0
            assert aws.calls == []
            assert any(f"{ERROR}the environment holds no AWS credentials" in line for line in world.own_lines())


@pytest.mark.parametrize("setting", ["DD_SKIP_SSL_VALIDATION", "DD_TLS_CERT_FILE"])
async def test_settings_for_datadogs_certificates_never_open_the_way_to_a_false_aws(
    program: Program, tmp_path: Path, setting: str
) -> None:
    async with Aws(tmp_path) as aws:
        variables = {**by_secret_name(aws), setting: "true" if "SKIP" in setting else aws.authority_file()}
        async with World(aws.seen_by(program, is_trusted=False), **variables) as world:
            await world.start()
            await world.invocation("line")
            assert await world.shutdown() == 0
            assert aws.calls == []
            said = next(line for line in world.own_lines() if ERROR in line)
            assert "certificate not accepted" in said


@pytest.mark.parametrize(
    ("variables", "tunnels"),
    [
        ({"HTTPS_PROXY": "127.0.0.1:$PORT"}, 1),
        ({"https_proxy": "http://user:pass@127.0.0.1:$PORT/"}, 1),
        ({"HTTPS_PROXY": "127.0.0.1:$PORT", "NO_PROXY": "example.com,.amazonaws.com"}, 0),
        ({"HTTPS_PROXY": "127.0.0.1:$PORT", "DD_PROXY_NO_PROXY": ".amazonaws.com"}, 1),
        ({"DD_PROXY_HTTPS": "127.0.0.1:$PORT"}, 0),
    ],
    ids=["conventional", "small letters", "excepted", "exception for Datadog only", "proxy for Datadog only"],
)
async def test_aws_is_reached_as_the_conventional_proxy_variables_say(
    program: Program, tmp_path: Path, variables: dict[str, str], tunnels: int
) -> None:
    async with ConnectProxy() as proxy, Aws(tmp_path) as aws:
        filled = {name: value.replace("$PORT", str(proxy.port)) for name, value in variables.items()}
        async with secret_world(aws, program, **by_secret_name(aws), **filled) as world:
            await world.start()
            await world.invocation("line")
            assert await world.shutdown() == 0
            assert proxy.asked == ["secretsmanager.us-east-1.amazonaws.com:443"] * tunnels
            assert len(aws.calls) == 1
            assert keys_sent(world) == {KEY}
            assert world.own_lines() == []


async def test_no_output_holds_key_token_or_secret(program: Program, tmp_path: Path) -> None:
    async with Aws(tmp_path) as aws:
        settings = {**by_secret_name(aws), "DD_LOG_LEVEL": "trace", "AWS_SESSION_TOKEN": "session-token-value"}
        async with secret_world(aws, program, **settings) as world:
            aws.faults.extend([500, DENIED])
            await world.start()
            await world.invocation("line")
            assert await world.shutdown() == 0
            output = "\n".join(world.extension.out + world.extension.err)
            assert ERROR in output
            for secret in (KEY, "session-token-value", "wJalrXUtnFEMI", "plain-key-not-to-be-used", "Signature="):
                assert secret not in output
