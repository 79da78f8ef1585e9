"""The level of a line in the formats of many loggers, and what the lowest level lets through."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.logs.support import R1, Path, billing, event, report, runtime_done, start
from thimble.core.drops import Drops
from thimble.core.logs import levels
from thimble.core.logs.options import LineOptions

ZONE = "2026-03-02T10:15:31.431Z"
NAMES = ("trace", "debug", "info", "warn", "error", "critical")

# One logger each: how it writes its levels, from the lowest to the highest that it has.
FORMATS: list[tuple[str, list[tuple[str, Any]]]] = [
    ("Lambda, Python text", [(level, f"[{word}]\t{ZONE}\t{R1}\tpaid an ERROR\n") for level, word in (
        ("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARNING"), ("error", "ERROR"), ("critical", "CRITICAL"))]),
    ("Lambda, Node text", [(level, f"{ZONE}\t{R1}\t{word}\tpaid no error\n") for level, word in (
        ("trace", "TRACE"), ("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"), ("error", "ERROR"))]),
    ("Lambda, .NET text", [(level, f"{ZONE}\t{R1}\t{word}\tpaid") for level, word in (
        ("trace", "trce"), ("debug", "dbug"), ("info", "info"), ("warn", "warn"), ("error", "fail"),
        ("critical", "crit"))]),
    ("Lambda, JSON", [(level, {"timestamp": ZONE, "level": word, "message": "ERROR", "requestId": R1})
                      for level, word in (("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"),
                                          ("error", "ERROR"), ("critical", "FATAL"))]),
    ("Python logging, basicConfig", [(level, f"{word}:root:paid") for level, word in (
        ("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARNING"), ("error", "ERROR"), ("critical", "CRITICAL"))]),
    ("Python logging, dashes", [(level, f"2026-03-02 10:15:31,431 - shop.orders - {word} - paid")
                                for level, word in (("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARNING"),
                                                    ("error", "ERROR"))]),
    ("loguru", [(level, f"2026-03-02 10:15:31.431 | {word: <8} | app:handler:12 - paid") for level, word in (
        ("trace", "TRACE"), ("debug", "DEBUG"), ("info", "SUCCESS"), ("warn", "WARNING"), ("error", "ERROR"),
        ("critical", "CRITICAL"))]),
    ("loguru, serialised", [(level, {"text": "t", "record": {"level": {"name": word, "no": 1}, "message": "m"}})
                            for level, word in (("debug", "DEBUG"), ("warn", "WARNING"), ("error", "ERROR"))]),
    ("structlog, console", [(level, f"2026-03-02 10:15:31 [{word: <9}] paid   order=7") for level, word in (
        ("debug", "debug"), ("info", "info"), ("warn", "warning"), ("error", "error"), ("critical", "critical"))]),
    ("structlog, colours", [(level, f"\x1b[2m2026-03-02\x1b[0m [\x1b[32m\x1b[1m{word: <9}\x1b[0m] \x1b[1mpaid\x1b[0m")
                            for level, word in (("debug", "debug"), ("info", "info"), ("error", "error"))]),
    ("pino and bunyan", [(level, f'{{"level":{number},"time":1741944645123,"msg":"paid"}}') for level, number in (
        ("trace", 10), ("debug", 20), ("info", 30), ("warn", 40), ("error", 50), ("critical", 60))]),
    ("winston", [(level, f'{{"level":"{word}","message":"paid"}}') for level, word in (
        ("trace", "silly"), ("trace", "verbose"), ("debug", "debug"), ("info", "info"), ("warn", "warn"),
        ("error", "error"))]),
    ("winston, simple", [(level, f"{word}: paid") for level, word in (
        ("debug", "debug"), ("info", "info"), ("warn", "warn"), ("error", "error"))]),
    ("log4j", [(level, f"2026-03-02 10:15:31 {R1} {word} Orders - paid") for level, word in (
        ("trace", "TRACE"), ("debug", "DEBUG"), ("info", "INFO "), ("warn", "WARN "), ("error", "ERROR"),
        ("critical", "FATAL"))]),
    ("Ruby Logger", [(level, f"{word[0]}, [2026-03-02T10:15:31.431 #8]  {word} -- : paid") for level, word in (
        ("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"), ("error", "ERROR"), ("critical", "FATAL"))]),
    ("Monolog", [(level, f"[2026-03-02T10:15:31+00:00] app.{word}: paid [] []") for level, word in (
        ("debug", "DEBUG"), ("info", "NOTICE"), ("warn", "WARNING"), ("critical", "EMERGENCY"))]),
    ("Monolog, JSON", [(level, {"message": "paid", "level": number, "level_name": word}) for level, number, word in (
        ("debug", 100, "DEBUG"), ("info", 250, "NOTICE"), ("warn", 300, "WARNING"), ("error", 400, "ERROR"))]),
    ("Go slog, text", [(level, f'time={ZONE} level={word} msg="paid ERROR"') for level, word in (
        ("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"), ("error", "ERROR"))]),
    ("zap and zerolog", [(level, f'{{"level":"{word}","ts":1,"msg":"paid"}}') for level, word in (
        ("debug", "debug"), ("warn", "warn"), ("critical", "dpanic"))]),
    ("Rust tracing", [(level, f"{ZONE} {word} orders: paid") for level, word in (
        ("trace", "TRACE"), ("debug", "DEBUG"), ("info", " INFO"), ("warn", " WARN"), ("error", "ERROR"))]),
    ("Serilog, compact", [(level, {"@t": ZONE, "@m": "paid", **more}) for level, more in (
        ("debug", {"@l": "Debug"}), ("info", {}), ("warn", {"@l": "Warning"}), ("critical", {"@l": "Fatal"}))]),
    ("ECS", [("debug", {"log.level": "debug"}), ("warn", {"log": {"level": "warn"}}),
             ("error", {"log.level": "ERROR"})]),
    ("Google Cloud", [("debug", {"severity": "DEBUG"}), ("info", {"severity": "NOTICE"}),
                      ("critical", {"severity": "ALERT"})]),
    ("syslog numbers", [("debug", {"level": 7}), ("info", {"level": "5"}), ("warn", {"level": 4}),
                        ("critical", {"level": 0})]),
    ("python-json-logger", [("debug", {"levelname": "DEBUG"}), ("warn", {"levelno": 30}),
                            ("critical", {"levelno": 50})]),
    (".NET console", [(level, f"{word}: Orders.Function[0]\n      paid") for level, word in (
        ("trace", "trce"), ("debug", "dbug"), ("info", "info"), ("warn", "warn"), ("error", "fail"),
        ("critical", "crit"))]),
    ("no level", [("info", "paid"), ("info", "no error here, all fine"), ("info", ""), ("info", "\t \n"),
                  ("info", {"message": "error"}), ("info", {"status": 200}), ("info", {"level": True}),
                  ("info", "http: listening"), ("info", "order 7 of 9 was paid in full. ERROR"),
                  ("info", "2026-03-02T10:15:31Z something happened to debug symbols")]),
    ("stack traces", [("error", "Traceback (most recent call last):\n  File"),
                      ("error", 'Exception in thread "main" java.lang.X'), ("error", "Java says MemoryError")]),
]  # fmt: skip


@pytest.mark.parametrize("logger", FORMATS, ids=[name for name, _ in FORMATS])
def test_the_lowest_level_lets_the_right_lines_of_a_logger_through(logger: tuple[str, list[tuple[str, Any]]]) -> None:
    _, lines = logger
    for lowest in NAMES:
        for level, record in lines:
            path = Path(options=LineOptions(min_level=levels.MIN_LEVELS[lowest]))
            path.ingest(start(), event("function", record))
            passes = NAMES.index(level) >= NAMES.index(lowest)
            assert len(path.entries()) == 1 + passes, (lowest, level, record)


def test_metrics_and_platform_lines_do_not_depend_on_the_lowest_level() -> None:
    saved = Drops()
    path = Path(options=LineOptions(min_level=levels.CRITICAL), saved=saved)
    answered = path.ingest(start(), event("function", "[INFO] MemoryError"), event("extension", "x"), runtime_done(1.0))
    assert [item.kind for item in answered] == ["platform.start", "out_of_memory", "platform.runtimeDone"]
    assert [text.split(" ")[0] for text in path.texts()] == ["START", "END"]
    assert saved.report() == ["2 lines (below_level)", "19 bytes of lines (below_level)"]


@pytest.mark.parametrize(("shown", "texts"), [("all", ["START", "x", "END", "REPORT"]), ("report", ["x", "REPORT"]),
                                              ("off", ["x"])])  # fmt: skip
def test_lines_of_the_platform_are_sent_as_the_user_wants(shown: str, texts: list[str]) -> None:
    path = Path(options=LineOptions(platform=shown))
    answered = path.ingest(event("function", "x"), start(), runtime_done(1.0), report(billing(2.0, 2)))
    lines = path.lines()
    assert sorted(line[0].split(" ")[0] for line in lines) == sorted(texts)
    assert {line[1] for line in lines} == {R1}
    assert len(answered) == 3
