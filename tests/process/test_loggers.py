"""Real loggers in real runtimes: what arrives at the intake is what the function logged, field by field."""

from __future__ import annotations

import json
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
    ("python", "logging", "Text"), ("python", "logging", "JSON"), ("python", "print", "Text"),
    ("python", "structlog", "Text"), ("python", "structlog", "JSON"), ("python", "structlog_console", "Text"),
    ("python", "loguru", "Text"), ("python", "loguru_json", "JSON"), ("python", "loguru_json", "Text"),
    ("python", "powertools", "Text"), ("python", "powertools", "JSON"),
    ("node", "console", "Text"), ("node", "console", "JSON"), ("node", "pino", "Text"), ("node", "pino", "JSON"),
    ("node", "winston", "Text"), ("node", "winston", "JSON"),
]  # fmt: skip
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
            records = [event["record"] for event in emulator.events if event["type"] == "function"]
        entries = [entry for entry in intake.logs() if "order " in entry["message"]["message"]]
    return (
        json.loads(result.payload),
        [record for record in records if "order " in str(record)],
        entries,
        result.request_id,
    )


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
    said, records, entries, request_id = await played(program, case, {})
    assert len(entries) == len(said) == len(records) == 4
    for (level, message, fields), record, entry in zip(said, records, entries, strict=True):
        text = entry["message"]["message"]
        if isinstance(record, str):
            assert text == record, "a text arrives to the byte"
        else:
            assert json.loads(text) == record
        assert entry["message"]["lambda"]["request_id"] == request_id
        if text.lstrip().startswith("{"):
            found = level_fields(text)
            assert message in (found.get("message"), found.get("msg"), found.get("event"))
            assert {name: found[name] for name in fields} == fields
            if isinstance(found.get("level"), str):
                assert entry["message"]["status"] == STATUSES[level]
        else:
            assert message in text
            assert entry["message"]["status"] == "info"


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_the_lowest_level_understands_the_logger(program: Program, case: tuple[str, str, str]) -> None:
    said, records, entries, _ = await played(program, case, {"THIMBLE_LOGS_MIN_LEVEL": "warn"})
    assert len(records) == 4
    assert [entry["message"]["message"] for entry in entries] == [
        record if isinstance(record, str) else json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        for record, (level, _, _) in zip(records, said, strict=True)
        if level in ("warning", "warn", "error")
    ]
