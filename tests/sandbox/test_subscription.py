"""What the Telemetry API accepts, and the digest of a body."""

from __future__ import annotations

from typing import Any

import pytest

from thimble.sandbox.subscriber import sequence_id
from thimble.sandbox.subscription import SubscriptionRefused, parse_subscription

GOOD: dict[str, Any] = {
    "schemaVersion": "2022-12-13",
    "destination": {"protocol": "HTTP", "URI": "http://sandbox:8999/"},
    "types": ["platform", "extension", "function"],
    "buffering": {"maxItems": 1000, "maxBytes": 262_144, "timeoutMs": 25},
}


def changed(**fields: Any) -> dict[str, Any]:
    return GOOD | fields


def with_uri(uri: str) -> dict[str, Any]:
    return changed(destination={"protocol": "HTTP", "URI": uri})


def with_buffering(**values: int) -> dict[str, Any]:
    return changed(buffering=GOOD["buffering"] | values)


@pytest.mark.parametrize(
    "request_body",
    [
        GOOD,
        with_uri("http://sandbox.localdomain:8999"),
        changed(schemaVersion="2022-07-01"),
        changed(schemaVersion="2025-01-29"),
        changed(types=["platform"]),
        changed(destination={"protocol": "TCP", "port": 9999}),
        with_buffering(maxItems=10_000, maxBytes=1_048_576, timeoutMs=30_000),
    ],
)
def test_a_proper_subscription_is_accepted(request_body: dict[str, Any]) -> None:
    assert parse_subscription(request_body).port in (8999, 9999)


@pytest.mark.parametrize(
    ("request_body", "reason"),
    [
        (changed(types=[]), "types should not be empty"),
        (changed(types=["platform", "metrics"]), "metrics"),
        (with_uri("http://localhost:8999/"), "host"),
        (with_uri("http://sandbox/"), "port is not provided"),
        (with_uri("http://sandbox:9001/"), "reserved"),
        (with_uri("http://sandbox:99999/"), "not valid"),
        (with_uri("https://sandbox:8999/"), "host"),
        (with_buffering(maxItems=999), "maxItems"),
        (with_buffering(maxItems=10_001), "maxItems"),
        (with_buffering(maxBytes=262_143), "maxBytes"),
        (with_buffering(maxBytes=1_048_577), "maxBytes"),
        (with_buffering(timeoutMs=24), "timeoutMs"),
        (with_buffering(timeoutMs=30_001), "timeoutMs"),
        (changed(schemaVersion="2021-03-18"), "2021-03-18"),
        (changed(destination={"protocol": "UDP"}), "protocol"),
        (changed(destination={"protocol": "TCP", "port": 0}), "port"),
        (changed(buffering=[1]), "buffering"),
        ([], "not a JSON object"),
        (None, "not a JSON object"),
    ],
)
def test_a_wrong_subscription_is_refused_with_its_reason(request_body: object, reason: str) -> None:
    with pytest.raises(SubscriptionRefused, match=reason):
        parse_subscription(request_body)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(SubscriptionRefused) as refusal:
        parse_subscription(with_uri("http://sandbox/") | {"types": []})
    assert str(refusal.value) == "URI port is not provided; types should not be empty"


def test_absent_buffering_means_the_defaults() -> None:
    body = {name: value for name, value in GOOD.items() if name != "buffering"}
    subscription = parse_subscription(body)
    assert (subscription.items_max, subscription.bytes_max, subscription.timeout_ms) == (10_000, 262_144, 1_000)


def test_managed_instances_take_their_own_schema_only() -> None:
    assert parse_subscription(changed(schemaVersion="2025-01-29"), is_managed=True).schema == "2025-01-29"
    with pytest.raises(SubscriptionRefused):
        parse_subscription(GOOD, is_managed=True)


def test_lenient_buffering_is_clamped() -> None:
    subscription = parse_subscription(with_buffering(maxItems=1, timeoutMs=99_999), is_strict=False)
    assert (subscription.items_max, subscription.timeout_ms) == (1_000, 30_000)


def test_the_path_of_the_destination_is_kept() -> None:
    assert parse_subscription(with_uri("http://sandbox:8999/a/b?c=d")).path == "/a/b?c=d"


def test_the_sequence_id_is_the_digest_of_the_body() -> None:
    body = (
        b'[{"time":"2026-03-02T10:15:31.402Z","type":"platform.start","record":'
        b'{"requestId":"5b1f6c5e-0c57-4d0a-9a0c-7d6b7a1f2c33","version":"$LATEST"}}]'
    )
    assert len(body) == 143
    assert sequence_id(body) == "32ak9+Zx5mCtZDjBijoFH1g+C6dQpXHcwQC2brEsyc8="
