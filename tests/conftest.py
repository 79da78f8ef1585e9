"""The suite runs twice: `pytest --form pure` on src/, `pytest --form compiled` on out/compiled.

Without `--form` the form is the one that PYTHONPATH leads to, or pure. Processes that tests start inherit the choice.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers import forms

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

COUNTS_VARIABLE = "THIMBLE_TEST_COUNTS"
"""`make test` names a file here; the outcome counts of the run are written to it for the final summary."""

FORMLESS = (
    *("tests/build/", "tests/repository/", "tests/bench/"),
    *("tests/sandbox/", "tests/sandbox_intake/", "tests/cli/test_run", "tests/cli/test_console.py"),
)
"""Tests that know no form: of the build, the tree and the harness, which look at files, and of the local Lambda and its
command, which are never compiled. They run in the pure run alone."""


# A machine that others use too is slow at times, which says nothing about the code.
settings.register_profile("shared_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared_machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--form", choices=forms.FORMS, default=None, help="which form of the package to test")
    parser.addoption("--extension", default=None, help="the frozen executable that tests/process is to run")


def pytest_configure(config: pytest.Config) -> None:
    form = config.getoption("--form")
    first = os.environ.get("PYTHONPATH", "").split(os.pathsep)[0]
    if form is None:
        form = "compiled" if first and Path(first).resolve() == forms.COMPILED else "pure"
    place = str(forms.COMPILED if form == "compiled" else forms.SOURCE)
    if form == "compiled" and not (forms.COMPILED / "thimble").is_dir():
        raise pytest.UsageError("out/compiled is missing: run `out/venv/bin/python build/compile.py` first")
    if "thimble" in sys.modules:
        raise pytest.UsageError("thimble was imported before the form was chosen")
    sys.path.insert(0, place)
    os.environ["PYTHONPATH"] = place
    found = forms.form_of_this_run()
    if found != form:
        raise pytest.UsageError(f"the package says that it is {found}, the run is for {form}")


def pytest_report_header() -> str:
    return f"thimble: {forms.form_of_this_run()} form, from {sys.path[0]}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of the compiled run what is about no form; put the proof of the form first, whatever the order."""
    if forms.form_of_this_run() == "compiled":
        skipped = [item for item in items if item.nodeid.startswith(FORMLESS)]
        if skipped:
            config.hook.pytest_deselected(items=skipped)
            items[:] = [item for item in items if not item.nodeid.startswith(FORMLESS)]
    items.sort(key=lambda item: not item.nodeid.startswith("tests/test_form.py"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    target = os.environ.get(COUNTS_VARIABLE)
    if target:
        counts = {outcome: len(reports) for outcome, reports in terminalreporter.stats.items() if outcome}
        Path(target).write_text(json.dumps(counts), encoding="utf-8")


@pytest.fixture(scope="session")
def form() -> str:
    """The form of this run."""
    return forms.form_of_this_run()


@pytest.fixture(scope="session")
def import_twin() -> Callable[[str, str], ModuleType]:
    """`import_twin("pure", "core.logs.processor")`: a module in a form; see tests/helpers/forms.py."""
    return forms.import_twin


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return forms.ROOT
