"""`thimble build-info`: which form is installed, and a broken build is no secret."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.helpers.build_tools import import_build_tool
from tests.helpers.forms import SOURCE, form_of_this_run
from thimble import build_info
from thimble.version import VERSION

from .command import thimble

build_forms = import_build_tool("forms")


def info_of(place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "thimble.cli", "build-info"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(place)}, check=False,
    )  # fmt: skip


def copy_of_the_source(place: Path) -> Path:
    shutil.copytree(SOURCE / "thimble", place / "thimble", ignore=shutil.ignore_patterns("__pycache__"))
    return place / "thimble"


def test_it_says_what_this_run_tests() -> None:
    done = thimble("build-info", "--json")
    assert done.code == 0, done.errors
    info = json.loads(done.output)
    assert (info["version"], info["form"]) == (VERSION, form_of_this_run())
    expected = [*build_forms.group_modules(), *build_forms.native_modules()] if info["form"] == "compiled" else []
    assert info["compiled_modules"] == sorted(expected)


def test_the_plain_text_begins_with_version_and_form() -> None:
    done = thimble("build-info")
    assert done.output.startswith(f"thimble {VERSION}, {form_of_this_run()} form, Python 3.")


def test_its_list_of_compiled_folders_is_the_build_s_list() -> None:
    assert build_info.COMPILED_FOLDERS == build_forms.FOLDERS
    assert build_info.EXCLUSION_MARK.decode() == build_forms.EXCLUSION_MARK


def test_a_compiled_form_without_machine_code_is_an_error(tmp_path: Path) -> None:
    package = copy_of_the_source(tmp_path)
    twin = package / "twin.py"
    twin.write_text(twin.read_text().replace(build_forms.TWIN_LINE_PURE, build_forms.TWIN_LINE_COMPILED))
    done = info_of(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("thimble: this is the compiled form, but it has no machine code for thimble.config.")


def test_a_pure_form_with_machine_code_is_an_error(tmp_path: Path) -> None:
    package = copy_of_the_source(tmp_path)
    (package / "core" / f"limits{sysconfig.get_config_var('EXT_SUFFIX')}").touch()
    done = info_of(tmp_path)
    assert done.returncode == 2
    assert "thimble.core.limits is machine code: build it again." in done.stderr
