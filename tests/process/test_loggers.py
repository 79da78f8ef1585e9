"""Real loggers in real runtimes: what arrives at the intake is what the function logged, field by field."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from thimble.sandbox.emulator import Emulator
from thimble.sandbox.intake import Intake
from thimble.sandbox.runtimes import RuntimeMissing, node_function, python_function
from thimble.sandbox.spec import FunctionSpec

from .extension import Program
from .local_lambda import API_KEY, extension_spec

CLIENTS = Path(__file__).parent.parent / "clients"
STATUSES = {"debug": "debug", "info": "info", "warning": "warn", "warn": "warn", "error": "error"}
CASES = [
    (language, logger, log_format)
    for language, loggers in (
        ("python", ("logging", "print", "structlog", "structlog_console", "loguru", "loguru_json", "powertools")),
        ("node", ("console", "pino", "winston")),
    )
    for logger in loggers
    for log_format in ("Text", "JSON")
]
"""Each logger in both log formats of Lambda: with the two of `logging` and of `console`, twelve forms of a line."""
CONSOLES = ("structlog_console", "loguru")
"""Those that write no JSON whatever the log format."""
IDS = ["-".join(case) for case in CASES]


def function_of(language: str, log_format: Any) -> FunctionSpec:
    folder = CLIENTS / language
    if language == "python":
        return python_function("loggers.handler", folder, log_format=log_format, timeout_s=20.0)
    try:
        return node_function("loggers.handler", folder, log_format=log_format, log_level="DEBUG", timeout_s=20.0)
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


async def played(program: Program, case: tuple[str, str, str], variables: dict[str, str]) -> Any:
    """What the function says it logged, what the platform saw of it, and the entries that arrived; the request id."""
    language, logger, log_format = case
    async with Intake() as intake:
        settings = {
            "DD_API_KEY": API_KEY, "DD_LOGS_CONFIG_LOGS_DD_URL": intake.url, "DD_DD_URL": intake.url, **variables
        }  # fmt: skip
        async with Emulator(function_of(language, log_format), [extension_spec(program, settings)]) as emulator:
            result = await emulator.invoke(json.dumps({"logger": logger}).encode())
            await emulator.spindown()
            assert result.function_error is None, result.payload
            events = [event for event in emulator.events if event["type"] == "function"]
        entries = [entry for entry in intake.logs() if "order " in entry["message"]["message"]]
    return (
        json.loads(result.payload),
        [event for event in events if "order " in str(event["record"])],
        entries,
        result.request_id,
    )


def compact(record: Any) -> str:
    """A JSON record as it is to arrive: its keys in their order, without white space."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def milliseconds(time: str) -> int:
    """The time of a telemetry event since 1970; what is finer than a millisecond does not arrive."""
    return (datetime.fromisoformat(time) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def level_fields(text: str) -> dict[str, Any]:
    """Everything in a JSON line at one level, loguru's `record` included."""
    fields: dict[str, Any] = json.loads(text)
    record = fields.get("record")
    if isinstance(record, dict):
        return {**fields, **record, **record["extra"]}
    return fields


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_what_a_logger_writes_arrives_whole(program: Program, case: tuple[str, str, str]) -> None:
    said, events, entries, request_id = await played(program, case, {})
    assert len(entries) == len(said) == len(events) == 4
    for (level, message, fields), event, entry in zip(said, events, entries, strict=True):
        record = event["record"]
        text = entry["message"]["message"]
        assert text == (record if isinstance(record, str) else compact(record)), "nothing of a line is changed"
        assert isinstance(record, dict) == (case[2] == "JSON" and case[1] not in CONSOLES)
        status = "info"
        if text.lstrip().startswith("{"):
            found = level_fields(text)
            assert message in (found.get("message"), found.get("msg"), found.get("event"))
            assert {name: found[name] for name in fields} == fields
            if isinstance(json.loads(text).get("level"), str):
                status = STATUSES[level]
        else:
            assert message in text
        inner = {
            "message": text,
            "lambda": {"arn": entry["hostname"], "request_id": request_id},
            "timestamp": milliseconds(event["time"]),
            "status": status,
        }
        assert entry == {**entry, "message": inner, "ddsource": "lambda"}
        assert set(entry) == {"message", "hostname", "service", "ddtags", "ddsource"}
        assert "kept_for" not in entry["ddtags"]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_the_lowest_level_understands_the_logger(program: Program, case: tuple[str, str, str]) -> None:
    said, events, entries, _ = await played(program, case, {"THIMBLE_LOGS_MIN_LEVEL": "warn"})
    records = [event["record"] for event in events]
    assert [entry["message"]["message"] for entry in entries] == [
        record if isinstance(record, str) else compact(record)
        for record, (level, _, _) in zip(records, said, strict=True)
        if level in ("warning", "warn", "error")
    ]
