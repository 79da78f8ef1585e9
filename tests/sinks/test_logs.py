"""Where logs go and in which form: the intake, additional intakes, a pipelines worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd

from tests.core.logs.support import Path, event, start
from thimble.config.environment import load_settings
from thimble.shell.compress import zstd_compressor
from thimble.shell.log import Log
from thimble.shell.parts import logs_destinations
from thimble.sinks.logs import LogsSink

WORKER = {
    "DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_ENABLED": "true",
    "DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_URL": "http://opw:8282/x",
}
MORE = (
    '[{"api_key":"k2","Host":"h","Port":10516,"is_reliable":true},'
    '{"api_key":"k3","Host":"agent.example.com","Port":443,"is_reliable":false}]'
)
ADDITIONAL = {"DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS": MORE}


class Sinking:
    """A sink as the settings make it, above a log path that holds one line."""

    def __init__(self, environ: dict[str, str], compressor: Callable[[bytes], bytes] | None = None) -> None:
        self.lines: list[bytes] = []
        settings, self.warnings = load_settings(environ)
        log = Log(settings.log_verbosity, lambda _, data: self.lines.append(data), lambda: 0)
        compress = compressor or zstd_compressor(settings.logs_compression_level)
        self.path = Path()
        self.path.ingest(start("r"), event("function", "x"))
        self.sink = LogsSink(
            logs_destinations(settings, log),
            self.path.processor,
            self.path.aggregator,
            compress if settings.logs_use_compression else None,
            self.path.drops,
            log.warn,
            log.debug,
        )


def url_of(delivery: Any) -> str:
    target = delivery.target
    return f"{'https' if target.is_tls else 'http'}://{target.authority}{target.path}"


def texts_of(delivery: Any) -> list[str]:
    body = delivery.payload.body
    if ("Content-Encoding", "zstd") in delivery.headers:
        body = zstd.decompress(body)
    return [entry["message"]["message"] for entry in json.loads(body)]


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "https://http-intake.logs.datadoghq.com/api/v2/logs"),
        ({"DD_SITE": "datadoghq.eu"}, "https://http-intake.logs.datadoghq.eu/api/v2/logs"),
        ({"DD_LOGS_CONFIG_LOGS_DD_URL": " intake.example.com:8443/ "}, "https://intake.example.com:8443/api/v2/logs"),
        ({"DD_LOGS_CONFIG_LOGS_DD_URL": "http://127.0.0.1:9000//"}, "http://127.0.0.1:9000/api/v2/logs"),
        ({"DD_LOGS_CONFIG_LOGS_DD_URL": "  "}, "https://http-intake.logs.datadoghq.com/api/v2/logs"),
        (WORKER, "http://opw:8282/x"),
        (WORKER | {"DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_URL": "http://opw/x?y=1"}, "http://opw/x?y=1"),
    ],
)
def test_the_main_destination_is_the_one_of_the_settings(environ: dict[str, str], url: str) -> None:
    (delivery,) = Sinking(environ).sink.take(False)
    assert url_of(delivery) == url
    assert delivery.api_key is None


def test_an_intake_gets_a_compressed_payload_and_is_told_so() -> None:
    (delivery,) = Sinking({}).sink.take(False)
    assert delivery.headers == [
        ("DD-PROTOCOL", "agent-json"), ("Content-Type", "application/json"), ("Content-Encoding", "zstd"),
    ]  # fmt: skip
    assert texts_of(delivery)[-1] == "x"


def test_without_compression_nothing_is_claimed() -> None:
    (delivery,) = Sinking({"DD_LOGS_CONFIG_USE_COMPRESSION": "false"}).sink.take(False)
    assert delivery.headers == [("DD-PROTOCOL", "agent-json"), ("Content-Type", "application/json")]
    assert texts_of(delivery)[-1] == "x"


def test_every_payload_goes_to_every_additional_intake_with_its_own_key() -> None:
    sinking = Sinking(ADDITIONAL)
    deliveries = sinking.sink.take(False)
    assert [(url_of(delivery), delivery.api_key) for delivery in deliveries] == [
        ("https://http-intake.logs.datadoghq.com/api/v2/logs", None),
        ("https://h:10516/api/v2/logs", "k2"),
        ("https://agent.example.com/api/v2/logs", "k3"),
    ]
    assert {tuple(delivery.headers) for delivery in deliveries} == {tuple(deliveries[0].headers)}
    assert [texts_of(delivery)[-1] for delivery in deliveries] == ["x", "x", "x"]
    deliveries[0].payload.attempts += 1
    assert deliveries[1].payload.attempts == 0
    assert sinking.sink.target_key == ""


def test_a_worker_gets_bare_json_and_an_intake_beside_it_what_an_intake_gets() -> None:
    worker, intake, _ = Sinking(WORKER | ADDITIONAL).sink.take(False)
    assert worker.headers == [("Content-Type", "application/json")]
    assert json.loads(worker.payload.body)[-1]["message"]["message"] == "x"
    assert url_of(intake) == "https://h:10516/api/v2/logs"
    assert ("DD-PROTOCOL", "agent-json") in intake.headers
    assert ("Content-Encoding", "zstd") in intake.headers
    assert texts_of(intake)[-1] == "x"


@pytest.mark.parametrize("url", ["", "opw:8282", "ftp://opw", "http://"])
def test_a_worker_without_a_url_costs_one_warning_and_the_logs_are_counted(url: str) -> None:
    sinking = Sinking(WORKER | {"DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_URL": url})
    assert len(sinking.warnings) + len(sinking.lines) == 1
    assert sinking.sink.take(False) == []
    assert sinking.path.drops.report() == ["2 logs (no_destination)"]


@pytest.mark.parametrize(
    "text",
    ["[", "{}", '[{"api_key":"k","Host":"h","Port":"1","is_reliable":true}]',
     '[{"api_key":"k","host":"h","Port":1,"is_reliable":true}]',
     MORE[:-1] + ',{"api_key":"k","Host":"h","Port":1}]'],
)  # fmt: skip
def test_one_bad_additional_endpoint_refuses_the_whole_list(text: str) -> None:
    sinking = Sinking({"DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS": text})
    assert len(sinking.sink.take(False)) == 1
    assert len(sinking.warnings) == 1


def test_a_host_that_is_no_host_is_left_out_alone() -> None:
    bad = MORE.replace('"Port":10516', '"Port":0')
    sinking = Sinking({"DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS": bad})
    assert [delivery.api_key for delivery in sinking.sink.take(False)] == [None, "k3"]
    assert b"additional endpoint" in sinking.lines[0]


def test_a_port_that_no_host_has_is_left_out_alone() -> None:
    bad = MORE.replace('"Port":10516', '"Port":70000')
    sinking = Sinking({"DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS": bad})
    assert sinking.warnings == []
    assert [delivery.api_key for delivery in sinking.sink.take(False)] == [None, "k3"]
    assert b"additional endpoint" in sinking.lines[0]


def test_an_additional_intake_without_a_key_does_not_get_the_one_of_the_process() -> None:
    sinking = Sinking({"DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS": MORE.replace('"k2"', '" "')})
    assert [delivery.api_key for delivery in sinking.sink.take(False)] == [None, "", "k3"]


def test_a_payload_that_cannot_be_compressed_still_reaches_worker_and_intakes() -> None:
    def compress(body: bytes) -> bytes:
        raise MemoryError

    sinking = Sinking(WORKER | ADDITIONAL, compress)
    deliveries = sinking.sink.take(False)
    assert [texts_of(delivery)[-1] for delivery in deliveries] == ["x", "x", "x"]
    assert [dict(delivery.headers).get("Content-Encoding") for delivery in deliveries] == [None, None, None]


def test_nothing_held_makes_no_request() -> None:
    sinking = Sinking(ADDITIONAL)
    sinking.sink.take(False)
    assert sinking.sink.take(False) == []


def test_records_that_the_platform_dropped_are_told_once_per_flush() -> None:
    sinking = Sinking({})
    dropped = event("platform.logsDropped", {"reason": "slow", "droppedRecords": 3, "droppedBytes": 700})
    sinking.path.ingest(dropped, dropped)
    sinking.sink.take(False)
    sinking.sink.take(False)
    (line,) = sinking.lines
    assert b"dropped 6 telemetry records (1400 bytes)" in line


@pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 0)])
def test_events_that_mean_nothing_to_us_are_told_once_per_flush_to_who_asks(level: str, lines: int) -> None:
    sinking = Sinking({"DD_LOG_LEVEL": level})
    for _ in range(2):
        sinking.path.ingest(event("platform.fault", {}), event("function", 5), event("platform.start", {}))
        sinking.sink.take(False)
        sinking.sink.take(False)
    assert len(sinking.lines) == lines
    assert all(b"Left out 3 telemetry events" in line for line in sinking.lines)


@pytest.mark.parametrize(("status", "verdict"), [(200, 0), (202, 0), (299, 0), (301, 1), (400, 2), (403, 2), (413, 2),
                                                 (429, 1), (500, 1), (503, 1)])  # fmt: skip
def test_an_answer_is_judged(status: int, verdict: int) -> None:
    assert Sinking({}).sink.judge(status) == verdict
