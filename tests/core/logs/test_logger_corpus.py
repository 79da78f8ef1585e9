"""One line each of the loggers that functions use: it arrives whole, with its invocation, its status and its level.

The status follows the narrow rules of the entry (`level` or `status` of a JSON object), the level those of the filter.
Source: documentation of each logger; lines of Lambda's own formats from the AWS Lambda Developer Guide.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.logs.support import R1, TIME_MS, Path, event, start
from thimble.core.logs.levels import MIN_LEVELS
from thimble.core.logs.options import LineOptions

ZONE = "2026-03-02T10:15:31.431Z"
OTHER = "99999999-8888-7777-6666-555555555555"
LEVELS = ("trace", "debug", "info", "warn", "error", "critical")
DD = '"dd":{"trace_id":"6a2f","span_id":"17","service":"orders"}'

# language, logger, record, status of the entry, level for the filter
CORPUS: list[tuple[str, str, Any, str, str]] = [
    ("Python", "logging in Lambda's text", f"[WARNING]\t{ZONE}\t{R1}\tlow stock: café\n", "info", "warn"),
    ("Python", "logging in Lambda's JSON", {"timestamp": ZONE, "level": "WARN", "message": "low", "logger": "root",
                                            "requestId": R1, "stock": {"left": 1, "at": None}}, "warn", "warn"),
    ("Python", "logging.basicConfig", "ERROR:shop.orders:refused\n", "info", "error"),
    ("Python", "logging with Datadog's ids", "2026-03-02 10:15:31,431 DEBUG [shop] [app.py:7] [dd.service=orders "
     "dd.trace_id=6a2f dd.span_id=17] - paid\n", "info", "debug"),
    ("Python", "python-json-logger", '{"asctime": "2026-03-02 10:15:31,431", "levelname": "ERROR", "message": "no"}\n',
     "info", "error"),
    ("Python", "structlog, JSON", '{"order": 7, "event": "paid", "level": "warning", "timestamp": "2026-03-02"}\n',
     "warn", "warn"),
    ("Python", "structlog, console", "2026-03-02 10:15:31 [debug    ] paid                           order=7\n",
     "info", "debug"),
    ("Python", "structlog, logfmt", 'timestamp=2026-03-02T10:15:31Z level=error event="not paid" order=7\n',
     "info", "error"),
    ("Python", "loguru", "2026-03-02 10:15:31.431 | SUCCESS  | app:handler:12 - paid\n", "info", "info"),
    ("Python", "loguru, serialised", '{"text": "t\\n", "record": {"level": {"icon": "x", "name": "ERROR", "no": 40}, '
     '"message": "no"}}\n', "info", "error"),
    ("Python", "Powertools", '{"level":"ERROR","location":"handler:12","message":"no","timestamp":"2026-03-02 '
     '10:15:31,431+0000","service":"orders","xray_trace_id":"1-5e"}\n', "error", "error"),
    ("Python", "ecs-logging", '{"@timestamp":"2026-03-02T10:15:31.431Z","log.level":"warning","message":"low",'
     '"ecs":{"version":"8.11"}}\n', "info", "warn"),
    ("Python", "uncaught exception", "[ERROR] ValueError: no\nTraceback (most recent call last):\n  File \"a\"",
     "info", "error"),
    ("Node", "console in Lambda's text", f"{ZONE}\t{R1}\tERROR\tError: no\n    at handler (/var/task/a.js:3:9)\n",
     "info", "error"),
    ("Node", "console in Lambda's JSON", {"timestamp": ZONE, "level": "ERROR", "requestId": R1, "message": {
        "errorType": "E", "errorMessage": "no", "stackTrace": ["E: no", "    at a.js"]}}, "error", "error"),
    ("Node", "pino", '{"level":40,"time":1741944645123,"pid":8,"hostname":"h","msg":"low"}\n', "info", "warn"),
    ("Node", "pino with a level's name", '{"level":"warn","time":1741944645123,' + DD + ',"msg":"low"}\n',
     "warn", "warn"),
    ("Node", "bunyan", '{"name":"shop","hostname":"h","pid":8,"level":60,"msg":"end","time":"2026","v":0}\n',
     "info", "critical"),
    ("Node", "winston, JSON", '{"level":"error","message":"no","order":{"id":7}}\n', "error", "error"),
    ("Node", "winston, simple", 'silly: paid {"order":7}\n', "info", "trace"),
    ("Node", "Powertools", '{"level":"DEBUG","message":"paid","service":"orders","timestamp":"2026","cold_start":true,'
     '"function_request_id":"' + R1 + '"}\n', "debug", "debug"),
    ("Node", "log4js", "[2026-03-02T10:15:31.431] [WARN] orders - low\n", "info", "warn"),
    ("Node", "console of an object", "{ order: 7, level: 'error' }\n", "info", "info"),
    ("Java", "log4j2 in Lambda's pattern", f"2026-03-02 10:15:31 {R1} WARN  Orders:12 - low\n", "info", "warn"),
    ("Java", "log4j2, JSON template", '{"@timestamp":"2026","ecs.version":"1.2.0","log.level":"ERROR","message":"no",'
     '"process.thread.name":"main"}\n', "info", "error"),
    ("Java", "logback", "10:15:31.431 [main] DEBUG com.shop.Orders -- paid\n", "info", "debug"),
    ("Java", "logstash-logback-encoder", '{"@timestamp":"2026","@version":"1","message":"no","logger_name":"Orders",'
     '"thread_name":"main","level":"ERROR","level_value":40000,"dd.trace_id":"6a2f"}\n', "error", "error"),
    ("Java", "LambdaLogger in Lambda's JSON", {"timestamp": ZONE, "level": "FATAL", "message": "end",
                                               "AWSRequestId": R1}, "critical", "critical"),
    ("Java", "Powertools", '{"level":"INFO","message":"paid","cold_start":false,"function_request_id":"' + R1 +
     '","service":"orders","timestamp":"2026"}\n', "info", "info"),
    ("Java", "uncaught exception", 'Exception in thread "main" java.lang.IllegalStateException: no\n\tat A.b(A.java:1)',
     "info", "error"),
    (".NET", "ILambdaLogger in Lambda's text", f"{ZONE}\t{R1}\tcrit\tend\n", "info", "critical"),
    (".NET", "ILambdaLogger in Lambda's JSON", {"timestamp": ZONE, "level": "Information", "requestId": R1,
                                                "message": "paid 7", "order": 7}, "info", "info"),
    (".NET", "Microsoft's console", "fail: Shop.Orders[0]\n      no\n", "info", "error"),
    (".NET", "Microsoft's JSON console", '{"EventId":0,"LogLevel":"Warning","Category":"Orders","Message":"low",'
     '"State":{"{OriginalFormat}":"low"}}\n', "info", "warn"),
    (".NET", "Serilog, text", "[10:15:31 ERR] no\n", "info", "error"),
    (".NET", "Serilog, compact JSON", '{"@t":"2026-03-02T10:15:31.431Z","@mt":"low {N}","@l":"Warning","N":1}\n',
     "info", "warn"),
    (".NET", "NLog", "2026-03-02 10:15:31.4310|WARN|Shop.Orders|low\n", "info", "warn"),
    (".NET", "uncaught exception", "Unhandled exception. System.InvalidOperationException: no\n   at A.B()", "info",
     "error"),
    (".NET", "Powertools", '{"cold_start":true,"level":"Error","message":"no","service":"orders","name":"Orders"}\n',
     "error", "error"),
    ("PHP", "Monolog", '[2026-03-02T10:15:31.431+00:00] app.ERROR: no {"order":7} []\n', "info", "error"),
    ("PHP", "Monolog, JSON", '{"message":"low","context":{"order":7},"level":300,"level_name":"WARNING",'
     '"channel":"app","extra":{}}\n', "info", "warn"),
    ("PHP", "PHP's warning", "PHP Warning:  Undefined variable $a in /var/task/a.php on line 7\n", "info", "warn"),
    ("PHP", "uncaught exception", "PHP Fatal error:  Uncaught Exception: no in a.php:7\n", "info", "critical"),
    ("PHP", "PHP's remark", "PHP Deprecated:  old in /var/task/a.php on line 7\n", "info", "info"),
    ("PHP", "error_log", "NOTICE: PHP message: paid\n", "info", "info"),
    ("Go", "log", "2026/03/02 10:15:31 paid\n", "info", "info"),
    ("Go", "slog, text", 'time=2026-03-02T10:15:31.431Z level=WARN msg="low" order=7\n', "info", "warn"),
    ("Go", "slog, JSON", '{"time":"2026-03-02T10:15:31.431Z","level":"ERROR","msg":"no","order":{"id":7}}\n',
     "error", "error"),
    ("Go", "slog in Lambda's JSON", {"time": ZONE, "level": "DEBUG", "msg": "paid", "requestId": R1, "n": 1.5},
     "debug", "debug"),
    ("Go", "zap", '{"level":"dpanic","ts":1741944645.123,"caller":"a/b.go:7","msg":"end"}\n', "info", "critical"),
    ("Go", "zap, console", "2026-03-02T10:15:31.431Z\tDEBUG\ta/b.go:7\tpaid\t{\"order\": 7}\n", "info", "debug"),
    ("Go", "zerolog", '{"level":"warn","order":7,"time":"2026","message":"low"}\n', "warn", "warn"),
    ("Go", "logrus, text", 'time="2026-03-02T10:15:31Z" level=error msg="no" order=7\n', "info", "error"),
    ("Go", "logrus, JSON", '{"level":"fatal","msg":"end","time":"2026-03-02T10:15:31Z"}\n', "critical", "critical"),
    ("Go", "panic", "panic: no\n\ngoroutine 1 [running]:\n", "info", "critical"),
    ("Go", "fatal error", "fatal error: all goroutines are asleep - deadlock!\n", "info", "error"),
    ("Rust", "tracing", "2026-03-02T10:15:31.431Z  WARN orders: low order=7\n", "info", "warn"),
    ("Rust", "tracing, JSON", '{"timestamp":"2026","level":"TRACE","fields":{"message":"paid","order":7},'
     '"target":"orders"}\n', "trace", "trace"),
    ("Rust", "tracing in Lambda's JSON", {"timestamp": ZONE, "level": "ERROR", "fields": {"message": "no"},
                                          "requestId": R1}, "error", "error"),
    ("Rust", "env_logger", "[2026-03-02T10:15:31Z ERROR orders] no\n", "info", "error"),
    ("Rust", "panic", "thread 'main' panicked at src/main.rs:3:5:\nno\n", "info", "error"),
    ("Ruby", "Logger", f"E, [2026-03-02T10:15:31.431 #8] ERROR {R1} -- : no\n", "info", "error"),
    ("Ruby", "Logger in Lambda's JSON", {"timestamp": ZONE, "level": "WARN", "message": "low", "requestId": R1},
     "warn", "warn"),
]  # fmt: skip


def test_the_corpus_has_the_loggers_of_seven_languages_at_least() -> None:
    assert len({(language, logger) for language, logger, *_ in CORPUS}) == len(CORPUS) >= 50
    assert {"Python", "Node", "Java", ".NET", "PHP", "Go", "Rust"} <= {language for language, *_ in CORPUS}


@pytest.mark.parametrize("case", CORPUS, ids=[f"{case[0]}, {case[1]}" for case in CORPUS])
def test_a_line_of_a_logger_arrives_whole_with_its_status_and_its_invocation(
    case: tuple[str, str, Any, str, str],
) -> None:
    _, _, record, status, _ = case
    path = Path()
    path.ingest(start(), event("function", record))
    entry = path.entries()[-1]
    assert set(entry) == {"message", "hostname", "service", "ddtags", "ddsource"}
    inner = entry["message"]
    assert set(inner) == {"message", "lambda", "timestamp", "status"}
    if isinstance(record, str):
        assert inner["message"] == record
    else:
        assert inner["message"] == json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    assert (inner["status"], inner["timestamp"], entry["ddtags"]) == (status, TIME_MS, "T")
    assert inner["lambda"]["request_id"] == R1


@pytest.mark.parametrize("case", CORPUS, ids=[f"{case[0]}, {case[1]}" for case in CORPUS])
def test_the_filter_reads_the_level_of_a_line_of_a_logger(case: tuple[str, str, Any, str, str]) -> None:
    _, _, record, _, level = case
    for lowest in LEVELS:
        path = Path(options=LineOptions(min_level=MIN_LEVELS[lowest]))
        path.ingest(start(), event("function", record))
        assert len(path.entries()) - 1 == (LEVELS.index(lowest) <= LEVELS.index(level)), lowest


def test_a_line_that_names_another_invocation_goes_to_that_one() -> None:
    for key in ("requestId", "AWSRequestId"):
        path = Path()
        path.ingest(start(), event("function", {"level": "INFO", "message": "m", key: OTHER}))
        assert path.entries()[-1]["message"]["lambda"]["request_id"] == OTHER
