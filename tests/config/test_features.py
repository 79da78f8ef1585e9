"""Small decisions from settings: ports of OTLP, the proxy of the Runtime API, FIPS."""

from __future__ import annotations

import pytest

from thimble.config.aws import read_lambda_environment
from thimble.config.environment import load_settings
from thimble.config.features import (
    OTLP_HTTP_PORT,
    is_fips_expected,
    otlp_port,
    runtime_proxy_address,
    starts_runtime_proxy,
)

WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/datadog_wrapper"}
APPSEC = {"DD_SERVERLESS_APPSEC_ENABLED": "true"}
ADAPTER = {"AWS_LWA_LAMBDA_RUNTIME_API_PROXY": "127.0.0.1:9005"}


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://0.0.0.0:5318", 5318), ("https://h:1/", 1), ("[::1]:4400", 4400), ("h:65535", 65535),
        ("localhost", 0), ("h:99999", 0), ("h:65536", 0), ("h:", 0), ("h:x", 0), ("h:-1", 0), ("h:0", 0), ("", 0),
    ],
)  # fmt: skip
def test_the_port_of_an_otlp_endpoint_follows_its_last_colon(endpoint: str, port: int) -> None:
    assert otlp_port(endpoint) == port
    _, warnings = load_settings({"DD_OTLP_CONFIG_RECEIVER_PROTOCOLS_HTTP_ENDPOINT": endpoint})
    assert len(warnings) == (1 if endpoint and not port else 0)
    assert all(f"{OTLP_HTTP_PORT} is used instead." in warning for warning in warnings)


@pytest.mark.parametrize(
    ("environ", "starts"),
    [
        (ADAPTER, True),
        (WRAPPER | APPSEC, True),
        (WRAPPER, False),
        (APPSEC, False),
        (WRAPPER | {"DD_EXPERIMENTAL_ENABLE_PROXY": "True"}, True),
        ({"DD_EXPERIMENTAL_ENABLE_PROXY": "True"}, False),
        ({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/other"} | APPSEC, False),
        ({}, False),
    ],
)
def test_the_runtime_proxy_starts_for_the_adapter_or_with_the_wrapper(environ: dict[str, str], starts: bool) -> None:
    assert starts_runtime_proxy(load_settings(environ)[0], read_lambda_environment(environ)) is starts


@pytest.mark.parametrize(
    ("text", "host", "port", "is_good"),
    [
        ("127.0.0.1:9005", "127.0.0.1", 9005, True),
        ("http://127.0.0.1:9005/", "127.0.0.1", 9005, True),
        ("", "0.0.0.0", 9000, True),
        ("localhost:9005", "0.0.0.0", 9000, False),
        ("127.0.0.1", "0.0.0.0", 9000, False),
        (":9005", "0.0.0.0", 9000, False),
        ("127.0.0.1:99999", "0.0.0.0", 9000, False),
        ("a/b:1", "0.0.0.0", 9000, False),
    ],
)
def test_an_unusable_address_of_the_adapter_gives_way_to_the_usual_one(
    text: str, host: str, port: int, is_good: bool
) -> None:
    aws = read_lambda_environment({"AWS_LWA_LAMBDA_RUNTIME_API_PROXY": text})
    seen_host, seen_port, problem = runtime_proxy_address(aws)
    assert (seen_host, seen_port, not problem) == (host, port, is_good)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AWS_DEFAULT_REGION": "us-gov-east-1"}, True),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, False),
        ({"DD_LAMBDA_FIPS_MODE": "TRUE"}, True),
        ({"DD_LAMBDA_FIPS_MODE": "1"}, False),
        ({"DD_LAMBDA_FIPS_MODE": "false", "AWS_DEFAULT_REGION": "us-gov-east-1"}, False),
    ],
)
def test_fips_is_expected_as_set_or_by_the_region(environ: dict[str, str], expected: bool) -> None:
    assert is_fips_expected(load_settings(environ)[0], read_lambda_environment(environ)) is expected
