"""`thimble config`: what is in effect and why, for people, for grep and for programs; no secret in any of them."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from thimble.cli import EXIT_LOST

from .command import thimble

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting but those of the test, and a terminal of known width."""
    for name in list(os.environ):
        if name.upper().startswith(("DD_", "DATADOG_")) or name.lower() in ("https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/nonexistent")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm-256color")


def settings_of(*arguments: str) -> dict[str, dict[str, Any]]:
    done = thimble("config", "--json", *arguments)
    assert done.code == 0, done.errors
    return {setting["variable"]: setting for setting in json.loads(done.output)["settings"]}


def test_every_setting_is_shown_with_value_origin_and_meaning(tmp_path: Path) -> None:
    (tmp_path / "datadog.yaml").write_text("service: Orders\nflush_timeout: 7\n")
    settings = settings_of("--root", str(tmp_path), "--env", "DD_SITE=datadoghq.eu", "--env", "DD_FLUSH_TIMEOUT=9")
    assert len(settings) > 60
    shown = {name: (settings[name]["value"], settings[name]["origin"]) for name in
             ("DD_SITE", "DD_SERVICE", "DD_FLUSH_TIMEOUT", "DD_ENV", "DD_LOG_LEVEL")}  # fmt: skip
    assert shown == {
        "DD_SITE": ("datadoghq.eu", "DD_SITE"),
        "DD_SERVICE": ("Orders", "service in datadog.yaml"),
        "DD_FLUSH_TIMEOUT": ("9", "DD_FLUSH_TIMEOUT"),
        "DD_ENV": ("", "default"),
        "DD_LOG_LEVEL": ("info", "default"),
    }
    assert all(setting["meaning"] and setting["group"] for setting in settings.values())


def test_the_environment_of_the_command_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_ENV", "prod")
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@proxy.example:3128")
    settings = settings_of("--changed")
    assert {name: (setting["value"], setting["origin"]) for name, setting in settings.items()} == {
        "DD_ENV": ("prod", "DD_ENV"),
        "DD_PROXY_HTTPS": ("http://proxy.example:3128", "HTTPS_PROXY"),
    }


def test_plain_lines_hold_one_setting_each() -> None:
    done = thimble("config", "--changed", "--env", "DD_ENV=prod", "--env", f"DD_API_KEY={SECRET}")
    assert done.output.splitlines() == [
        "DD_API_KEY  (32 characters, not shown)  [DD_API_KEY]",
        f"DD_ENV      prod{'':22}  [DD_ENV]",
    ]
    assert done.errors == ""


def test_a_wrong_setting_is_said_in_the_extension_s_words_and_strict_fails() -> None:
    arguments = ("config", "--changed", "--env", "DD_FLUSH_TIMEOUT=soon")
    sentence = 'thimble: DD_FLUSH_TIMEOUT: "soon" is not a whole number of 0 or more; 30 is used instead.\n'
    done = thimble(*arguments)
    assert (done.code, done.output, done.errors) == (0, "", sentence)
    assert thimble(*arguments, "--strict").code == EXIT_LOST
    assert json.loads(thimble(*arguments, "--json").output)["warnings"] == [sentence.removeprefix("thimble: ").strip()]
    assert thimble("config", "--strict").code == 0


def test_secrets_are_in_no_form_of_the_output() -> None:
    secrets = [
        f"DD_API_KEY={SECRET}", f"DD_KMS_API_KEY={SECRET}", f'DD_ADDITIONAL_ENDPOINTS={{"https://x.example":["{SECRET}"]}}',
        f"DD_PROXY_HTTPS=http://u:{SECRET}@p:1",
        f'DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS=[{{"api_key":"{SECRET}","Host":"h","Port":443,"is_reliable":true}}]',
    ]  # fmt: skip
    arguments = [argument for text in secrets for argument in ("--env", text)]
    for form in ([], ["--json"]):
        done = thimble("config", *form, *arguments)
        assert done.code == 0
        assert "not shown" in done.output
        assert SECRET not in done.output + done.errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--env", "DD_SITE"], "thimble: --env DD_SITE should read --env NAME=VALUE.\n"),
        (["--root", "/gone"], "thimble: /gone is no folder: --root wants the folder of the function's code.\n"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments: list[str], sentence: str) -> None:
    done = thimble("config", *arguments)
    assert (done.code, done.output, done.errors) == (2, "", sentence)


def on_a_terminal(*arguments: str) -> str:
    """What `thimble config` writes when standard output is a terminal."""
    reader, writer = pty.openpty()
    written = b""
    try:
        process = subprocess.Popen([sys.executable, "-m", "thimble.cli", "config", *arguments], stdout=writer, cwd="/")
        # Our own end stays open meanwhile: when the last one closes, what nobody has read may be gone.
        while process.poll() is None or select.select([reader], [], [], 0)[0]:
            if select.select([reader], [], [], 0.05)[0]:
                written += os.read(reader, 65536)
    finally:
        os.close(writer)
        os.close(reader)
    assert process.returncode == 0
    return written.decode()


def test_a_terminal_gets_a_table_that_makes_what_was_set_stand_out() -> None:
    text = on_a_terminal("--env", "DD_ENV=prod")
    assert "\x1b[1mDD_ENV" in text
    assert "\x1b[32mprod" in text
    assert "Key and tags" in text
    assert "\x1b[2mdefault" in text
    assert on_a_terminal("--changed").strip() == "Every setting is at its default."


def test_markup_and_control_characters_in_a_value_stay_text() -> None:
    text = on_a_terminal("--changed", "--env", "DD_ENV=[red]x[/]\x1b]0;title\x07")
    assert "[red]x[/]\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}" in text


def test_without_the_extra_a_terminal_gets_plain_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError('No module named rich', name='rich')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")
    assert on_a_terminal("--changed", "--env", "DD_ENV=prod") == "DD_ENV  prod  [DD_ENV]\r\n"
