"""Which function and which extension a command line means."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from thimble.sandbox import choice as choosing
from thimble.sandbox.choice import ChoiceError, choose_extension
from thimble.sandbox.function_choice import FunctionError, choose_function, function_name


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_layer_in_the_folder_we_stand_in_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = executable(tmp_path / "dist" / "layer" / "extensions" / "datadog-agent")
    monkeypatch.chdir(tmp_path)
    choice = choose_extension(None)
    assert (choice.layer, choice.text) == (tmp_path / "dist" / "layer", "the frozen extension")
    assert [extension.path for extension in choice.extensions] == [program]


def test_without_a_layer_the_installed_package_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "find_layer", lambda: None)
    choice = choose_extension(None)
    assert choice.layer is None
    (extension,) = choice.extensions
    assert (extension.name, extension.command) == ("datadog-agent", [sys.executable, "-m", "thimble.boot"])


def test_an_executable_runs_under_its_own_name(tmp_path: Path) -> None:
    choice = choose_extension(str(executable(tmp_path / "my-extension")))
    assert (choice.text, choice.extensions[0].name, choice.layer) == ("my-extension", "my-extension", None)


def test_all_extensions_of_a_layer_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        executable(tmp_path / "extensions" / name)
    assert [extension.name for extension in choose_extension(str(tmp_path)).extensions] == ["one", "two"]


def test_an_empty_layer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "extensions").mkdir()
    with pytest.raises(ChoiceError, match="is no layer"):
        choose_extension(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "handler"),
    [
        ("app.py", "app.handler"),
        ("src/app.py", "src/app.handler"),
        ("src/app.py", "src.app.handler"),
        ("app/__init__.py", "app.handler"),
    ],
)
def test_a_python_handler_is_found_however_it_is_spelled(tmp_path: Path, file: str, handler: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    function = choose_function(handler, tmp_path, None, env={"A": "1"}, memory_mb=256, timeout_s=9)
    assert function.runtime == f"python3.{sys.version_info.minor}"
    assert (function.handler, function.env, function.memory_mb, function.timeout_s) == (handler, {"A": "1"}, 256, 9)


def test_a_bootstrap_needs_no_handler(tmp_path: Path) -> None:
    program = executable(tmp_path / "bootstrap")
    assert choose_function("", tmp_path, None).bootstrap == [str(program)]


def test_an_asked_runtime_decides_over_the_files(tmp_path: Path) -> None:
    (tmp_path / "app.js").touch()
    with pytest.raises(FunctionError, match=r"there is no app\.py in"):
        choose_function("app.handler", tmp_path, "python")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("orders", "orders"), ("my fun.ction!", "my-fun-ction"), ("ü", "function"), ("x" * 70, "x" * 64)],
)
def test_a_folder_s_name_becomes_one_that_lambda_takes(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir()
    assert function_name(tmp_path / folder) == name
