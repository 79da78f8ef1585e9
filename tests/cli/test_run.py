"""`thimble run`, end to end: real functions beside the real extension, in namespaces of their own."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from thimble.sandbox import isolation

from .command import log_texts, run_isolated, thimble

pytestmark = pytest.mark.network_namespace

HANDLER = """
import os, sys, time

def handler(event, context):
    print("hello", event.get("name", "nobody"), os.environ.get("GREETING", ""))
    if event.get("fails"):
        raise ValueError("as asked")
    time.sleep(event.get("sleep_s", 0))
    return {"cwd": os.getcwd(), "extensions": os.path.isdir("/opt/extensions"), "echo": event}
"""

BOOTSTRAP = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
  id=$(curl -sS -D - -o /tmp/event.$$ $api/next | tr -d '\\r' | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  echo "shell says hello to $id"
  curl -sS -o /dev/null --data-binary '{"by":"shell"}' $api/$id/response
done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(HANDLER)
    return tmp_path


def test_every_line_of_two_invocations_arrives_with_its_request_id(folder: Path) -> None:
    report = run_isolated(
        folder, "app.handler", "--event", '{"name": "ann"}', "--event", '{"name": "bob"}', "--env", "GREETING=moin",
        "--memory", "256", "--strict",
    )  # fmt: skip
    first, second = report["invocations"]
    assert [one["outcome"] for one in (first, second)] == ["ok", "ok"]
    assert "hello ann moin" in log_texts(report, 1)
    assert "hello bob moin" in log_texts(report, 2)
    for number, one in enumerate((first, second), 1):
        words = [text.split(" ")[0] for text in log_texts(report, number)]
        assert {"START", "END", "REPORT"} <= set(words)
        assert {line["request_id"] for line in one["logs"]} == {one["result"]["request_id"]}
    assert first["result"]["cold"] is True
    assert second["result"]["cold"] is False
    assert first["init_ms"] > 0
    assert second["init_ms"] == 0
    assert first["memory_mb"] == 256
    assert first["billed_ms"] >= first["duration_ms"] + first["init_ms"] - 1
    assert report["lines"]["lost"] == report["lines"]["undelivered"] == []
    assert report["violations"] == []
    assert report["shutdown"]["exit_codes"]["datadog-agent"] == 0
    assert report["totals"]["logs"]["item_count"] == report["lines"]["arrived"]


def test_the_function_sees_its_code_where_lambda_puts_it(folder: Path) -> None:
    report = run_isolated(folder, "app.handler")
    assert json.loads(report["invocations"][0]["result"]["payload"])["cwd"] == "/var/task"


def test_a_failing_handler_is_shown_and_fails_a_strict_run(folder: Path) -> None:
    report = run_isolated(folder, "app.handler", "--event", '{"fails": true}', "--strict", code=3)
    (one,) = report["invocations"]
    assert one["outcome"] == "Unhandled"
    assert json.loads(one["result"]["payload"])["errorMessage"] == "as asked"
    assert any("ValueError: as asked" in text for text in log_texts(report, 1))
    assert report["lines"]["lost"] == []


def test_a_time_out_is_billed_to_the_limit_and_the_next_invocation_starts_anew(folder: Path) -> None:
    report = run_isolated(
        folder, "app.handler", "--event", '{"sleep_s": 30}', "--event", "{}", "--timeout", "0.5"
    )  # fmt: skip
    first, second = report["invocations"]
    assert (first["outcome"], second["outcome"]) == ("Sandbox.Timedout", "ok")
    assert first["duration_ms"] == 500.0
    assert second["result"]["cold"] is True
    assert "hello nobody " in log_texts(report, 1)
    assert report["lines"]["lost"] == []


def test_events_are_used_in_turn(folder: Path) -> None:
    (folder / "event.json").write_text('{"name": "file"}')
    report = run_isolated(
        folder, "app.handler", "--event", str(folder / "event.json"), "--event", '{"name": "text"}', "-n", "3"
    )
    echoes = [json.loads(one["result"]["payload"])["echo"]["name"] for one in report["invocations"]]
    assert echoes == ["file", "text", "file"]


def test_an_event_may_come_from_standard_input_and_the_report_may_go_to_a_file(folder: Path, tmp_path: Path) -> None:
    if isolation.problem():
        pytest.skip("no namespaces here")
    out = tmp_path / "report.json"
    done = thimble(
        "run", "app.handler", "--root", str(folder), "--isolated", "--event", "-", "--json", str(out),
        "--extension", "package", standard_input='{"name": "pipe"}',
    )  # fmt: skip
    assert done.code == 0, done.errors
    assert "1 answer" in done.output
    assert "hello pipe " in log_texts(json.loads(out.read_text()), 1)


def test_an_intake_that_refuses_shows_as_refused_and_what_was_lost_is_named(folder: Path) -> None:
    report = run_isolated(folder, "app.handler", "--fault", "logs=400", "--strict", code=3)
    assert report["totals"]["logs"]["accepted"] == 0
    requests = report["invocations"][0]["requests"]
    assert {request["answer"] for request in requests if request["product"] == "logs"} == {400}
    assert "hello nobody " in report["lines"]["lost"]


def test_a_slow_intake_shows_in_the_time_after_the_response(folder: Path) -> None:
    report = run_isolated(folder, "app.handler", "--intake-latency", "200", "-n", "2")
    assert all(one["after_ms"] >= 200 for one in report["invocations"])
    assert all(one["duration_ms"] >= one["handler_ms"] + 200 for one in report["invocations"])


def test_of_many_invocations_the_first_are_shown_and_the_rest_is_counted(folder: Path) -> None:
    if isolation.problem():
        pytest.skip("no namespaces here")
    done = thimble(
        "run", "app.handler", "--root", str(folder), "--isolated", "-n", "30", "--extension", "package",
    )  # fmt: skip
    assert done.code == 0, done.errors
    assert "\n20 warm: answered" in done.output
    assert "\n21 warm" not in done.output
    assert "# 10 more invocations like these, shown with --full." in done.output
    assert "29 warm invocations, median: handler " in done.output


def test_an_intake_that_speaks_tls_is_trusted_and_gets_everything(folder: Path) -> None:
    report = run_isolated(folder, "app.handler", "--tls", "--strict")
    assert report["totals"]["logs"]["accepted"] == report["totals"]["logs"]["requests"] > 0
    assert "hello nobody " in log_texts(report, 1)


def test_a_layer_lies_at_opt_where_client_libraries_look_for_it(folder: Path) -> None:
    program = folder / "layer" / "extensions" / "datadog-agent"
    program.parent.mkdir(parents=True)
    place = os.environ["PYTHONPATH"]
    program.write_text(f"#!/bin/sh\nPYTHONPATH={place} exec {sys.executable} -m thimble.boot\n")
    program.chmod(0o755)
    report = run_isolated(folder, "app.handler", "--extension", str(folder / "layer"), "--strict")
    assert json.loads(report["invocations"][0]["result"]["payload"])["extensions"] is True
    assert report["extension"] == "layer"
    assert report["lines"]["arrived"] == report["lines"]["expected"] > 0


def test_without_an_extension_the_function_still_runs(folder: Path) -> None:
    report = run_isolated(folder, "app.handler", "--extension", "none")
    assert report["invocations"][0]["outcome"] == "ok"
    assert (report["extension"], report["totals"]) == ("", {})


def test_any_bootstrap_runs(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").write_text(BOOTSTRAP)
    (tmp_path / "bootstrap").chmod(0o755)
    report = run_isolated(tmp_path, "-n", "2", "--strict")
    assert [one["result"]["payload"] for one in report["invocations"]] == ['{"by":"shell"}'] * 2
    request_id = report["invocations"][1]["result"]["request_id"]
    assert f"shell says hello to {request_id}" in log_texts(report, 2)


def test_the_demo_draws_panels_on_a_terminal_and_loses_nothing(tmp_path: Path) -> None:
    if isolation.problem():
        pytest.skip("no namespaces here")
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "thimble.cli", "demo", "--extension", "package"],
        stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "COLUMNS": "110", "TERM": "xterm"},
    )  # fmt: skip
    os.close(terminal)
    text = b""
    try:
        while piece := os.read(reader, 65536):
            text += piece
    except OSError:  # the terminal's other side is gone
        pass
    os.close(reader)
    assert process.wait() == 0
    assert b"\x1b[32m" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())
    for part in ("1 cold start · answered", "2 warm · answered", "3 the handler raises · failed", "· timed out"):
        assert part in plain
    assert "KeyError: 'scissors'" in plain
    assert "Nothing was lost: all 29 log lines arrived." in plain


def test_an_interrupt_ends_the_run_and_everything_it_started(folder: Path) -> None:
    if isolation.problem():
        pytest.skip("no namespaces here")
    process = subprocess.Popen(
        [sys.executable, "-m", "thimble.cli", "run", "app.handler", "--root", str(folder), "--isolated",
         "--event", '{"sleep_s": 40}', "--timeout", "50", "--extension", "package"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("# Invocation 1"):
            break
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (2, "thimble: interrupted.\n")
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_a_node_handler_without_its_runtime_client_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "index.mjs").write_text("export const handler = async () => 1;")
    done = thimble("run", "index.handler", "--root", str(tmp_path))
    assert done.code == 2
    assert "npm install aws-lambda-ric" in done.errors
