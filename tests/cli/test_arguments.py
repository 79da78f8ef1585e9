"""Wrong arguments get one sentence; help and version answer at once."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from thimble.cli import make_parser
from thimble.version import VERSION

from .command import thimble


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("def handler(event, context): return event\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["other.handler"], "there is no other.py in {root}, which the handler other.handler needs"),
        (["app"], "the handler 'app' should read module.function, such as app.handler"),
        ([], "{root}/bootstrap is missing or not executable (chmod +x)"),
        (["app.handler", "--event", "no.json"], "the event no.json cannot be read (No such file"),
        (["app.handler", "--event", "{1}"], "the event {{1}} is no JSON: "),
        (["app.handler", "--env", "X"], "--env X should read --env NAME=VALUE"),
        (["app.handler", "--fault", "logs"], "--fault logs should read --fault PRODUCT=WHAT, such as logs=503"),
        (["app.handler", "--fault", "logs=explode"], "--fault logs=explode: 'explode' is no behaviour"),
        (["app.handler", "--fault", "log=503"], "--fault log=503: 'log' is no product"),
        (["app.handler", "--extension", "gone"], "gone does not exist: --extension wants an executable"),
        (["app.handler", "--extension", "{root}"], "{root} is no layer: it has no executable in {root}/extensions"),
        (["app.handler", "--extension", "{root}/app.py"], "{root}/app.py is not executable: run chmod +x"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_that_says_what_to_do(folder: Path, arguments: list[str], sentence: str) -> None:
    filled = [argument.replace("{root}", str(folder)) for argument in arguments]
    done = thimble("run", *filled, "--root", str(folder), "--direct")
    assert done.code == 2
    assert done.errors.startswith("thimble: " + sentence.format(root=folder)), done.errors
    assert done.errors.count("\n") == 1
    assert done.output == ""


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    done = thimble("run", "app.handler", "--root", str(tmp_path / "gone"))
    assert done.errors == f"thimble: {tmp_path}/gone is no folder: --root wants the folder of the function's code.\n"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--memory", "0", "no whole number above 0"),
        ("--invocations", "many", "no whole number above 0"),
        ("--timeout", "-1", "is not seconds, 0 or more"),
        ("--intake-latency", "nan", "is not milliseconds, 0 or more"),
        ("--cpu", "0", "a share of 0 would never run"),
    ],
)
def test_a_number_out_of_range_is_refused(
    option: str, value: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        make_parser().parse_args(["run", "app.handler", f"{option}={value}"])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "demo", "build-info"])
def test_every_command_explains_itself(command: str) -> None:
    done = thimble(command, "--help")
    assert done.code == 0
    assert f"usage: thimble {command}" in done.output
    assert max(map(len, done.output.splitlines())) <= 120


def test_the_version_is_printed_without_loading_the_sandbox() -> None:
    program = (
        "import sys; sys.argv = ['thimble', '--version']\n"
        "from thimble.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted(name for name in sys.modules if name.split('.')[0] in ('rich', 'aiohttp')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"thimble {VERSION}\n[]\n"


def test_a_missing_package_is_named_with_the_way_to_get_it() -> None:
    assert importlib.util.find_spec("rich") is not None
    program = (
        "import sys; sys.modules['rich'] = None; from thimble.cli import main; sys.exit(main(['run', 'app.handler']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "thimble: rich is not installed: run pip install 'thimble[sandbox]' to use thimble run.\n"
