"""The first test of every run: the package really is in the form that the run is about."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.helpers.build_tools import import_build_tool
from tests.helpers.forms import COMPILED, SOURCE, form_of_this_run, import_twin

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
build_forms = import_build_tool("forms")
COMPILE_LIST = [*build_forms.group_modules(), *build_forms.native_modules()]


def test_every_module_on_the_compile_list_has_the_form_of_this_run() -> None:
    place = COMPILED if form_of_this_run() == "compiled" else SOURCE
    is_compiled = form_of_this_run() == "compiled"
    wrong = []
    for name in COMPILE_LIST:
        if not is_compiled and name.startswith("thimble._native."):
            continue
        module = importlib.import_module(name)
        file = Path(str(module.__file__))
        has_extension = str(file).endswith(SUFFIX) and file.exists()
        if has_extension != is_compiled or not file.is_relative_to(place):
            wrong.append(f"{name}: {file}")
    assert wrong == []
    assert len(COMPILE_LIST) > 0


def test_no_source_lies_beside_an_extension_file() -> None:
    if form_of_this_run() == "compiled":
        assert build_forms.missing_modules(COMPILED, COMPILE_LIST, SUFFIX) == []
    else:
        assert list(SOURCE.rglob("*.so")) == []


def test_processes_that_tests_start_get_the_same_form() -> None:
    program = "import thimble.twin; print(thimble.twin.FORM)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == form_of_this_run()
    assert os.environ["PYTHONPATH"] == sys.path[sys.path.index(os.environ["PYTHONPATH"])]


def test_a_compiled_run_can_load_the_pure_twin_of_every_module() -> None:
    if form_of_this_run() == "pure":
        with pytest.raises(pytest.skip.Exception):
            import_twin("compiled", "core.limits")
        return
    before = set(sys.modules)
    for name in build_forms.group_modules():
        short = name.removeprefix("thimble.")
        pure, compiled = import_twin("pure", short), import_twin("compiled", short)
        assert str(pure.__file__) == str(SOURCE / "thimble" / (short.replace(".", "/") + ".py"))
        assert pure is not compiled
    loaded = {name for name in set(sys.modules) - before if name.startswith("thimble_pure")}
    assert "thimble_pure.twin" in loaded or all("twin" not in name for name in loaded)
    assert not [name for name in loaded if str(sys.modules[name].__file__).endswith(SUFFIX)]


def test_every_public_class_of_a_compiled_module_is_native() -> None:
    """A shim alone proves nothing: the class itself must be machine code (mypyc's classes carry no `__dict__` slot)."""
    if form_of_this_run() == "pure":
        pytest.skip("nothing is compiled in the pure run")
    functions = 0
    for name in build_forms.group_modules():
        for attribute, value in vars(importlib.import_module(name)).items():
            if getattr(value, "__module__", None) == name and callable(value) and not isinstance(value, type):
                assert type(value).__name__ != "function", f"{name}.{attribute} is interpreted"
                functions += 1
    assert functions > 0
