"""What pyproject.toml promises: exact pins, one version, one list of compilers."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.build_tools import import_build_tool
from tests.helpers.forms import ROOT, SOURCE

PINNED = re.compile(r"^[A-Za-z0-9_.\-]+==[A-Za-z0-9.]+$")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(project: dict[str, Any]) -> list[str]:
    extras = project["project"]["optional-dependencies"].values()
    everything = project["project"]["dependencies"] + [item for extra in extras for item in extra]
    return [item for item in everything if not item.startswith("thimble[")]


def test_every_dependency_is_pinned_exactly(project: dict[str, Any]) -> None:
    assert [
        item for item in requirements(project) + project["build-system"]["requires"] if not PINNED.match(item)
    ] == []


def test_no_dependency_is_listed_twice(project: dict[str, Any]) -> None:
    names = [item.split("==")[0].lower() for item in requirements(project)]
    assert sorted(names) == sorted(set(names))


def test_the_backend_asks_for_the_compilers_of_the_dev_extra(project: dict[str, Any]) -> None:
    backend = import_build_tool("backend")
    dev = project["project"]["optional-dependencies"]["dev"]
    assert [item for item in backend.COMPILERS if item not in dev] == []


def test_the_constraints_hold_the_same_pins(project: dict[str, Any]) -> None:
    lines = (ROOT / "build" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {line.split("==")[0].lower().replace("_", "-"): line.split("==")[1] for line in lines if "==" in line}
    wrong = [
        item
        for item in requirements(project)
        if pins.get(item.split("==")[0].lower().replace("_", "-")) != item.split("==")[1]
    ]
    assert wrong == []


def third_party_imports(folders: list[Path]) -> set[str]:
    """Top-level names that our sources import from neither the standard library nor ourselves."""
    names = set()
    for folder in folders:
        for path in [folder] if folder.is_file() else folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names.add(str(node.module).split(".")[0])
    return names - set(sys.stdlib_module_names) - {"thimble"}


def providers(names: set[str]) -> dict[str, set[str]]:
    """Import name -> the distributions that give it."""
    known = packages_distributions()
    return {name: {item.lower().replace("_", "-") for item in known.get(name, [])} for name in names}


def test_everything_that_the_package_imports_is_a_declared_dependency(project: dict[str, Any]) -> None:
    def declared(items: list[str]) -> set[str]:
        return {item.split("==")[0].lower() for item in items}

    package = SOURCE / "thimble"
    sandbox_only = [package / "sandbox", package / "cli.py"]
    process = [
        path for path in package.iterdir() if path not in sandbox_only and (path.is_dir() or path.suffix == ".py")
    ]
    runtime = declared(project["project"]["dependencies"])
    with_sandbox = runtime | declared(project["project"]["optional-dependencies"]["sandbox"])
    wrong = [
        f"{name}: {sorted(distributions) or 'not installed'}"
        for folders, allowed in ((process, runtime), (sandbox_only, with_sandbox))
        for name, distributions in sorted(providers(third_party_imports(folders)).items())
        if not distributions & allowed
    ]
    assert wrong == []


def test_an_unknown_form_is_refused() -> None:
    forms = import_build_tool("forms")
    assert forms.chosen_form({}) == "pure"
    assert forms.chosen_form({"THIMBLE_BUILD": "compiled"}) == "compiled"
    with pytest.raises(forms.BuildError, match="fast"):
        forms.chosen_form({"THIMBLE_BUILD": "fast"})


def test_an_exclusion_without_a_reason_is_refused(tmp_path: Path) -> None:
    forms = import_build_tool("forms")
    file = tmp_path / "module.py"
    file.write_text('"""Text."""\n\n# Not compiled: loads a YAML library, once.\n')
    assert forms.exclusion_reason(file) == "loads a YAML library, once."
    file.write_text('"""Text."""\n')
    assert forms.exclusion_reason(file) is None
    file.write_text("# Not compiled:\n")
    with pytest.raises(forms.BuildError, match="reason"):
        forms.exclusion_reason(file)


def test_a_missing_extension_file_and_a_stray_source_are_both_found(tmp_path: Path) -> None:
    forms = import_build_tool("forms")
    (tmp_path / "thimble" / "core").mkdir(parents=True)
    (tmp_path / "thimble" / "core" / "drops.so").touch()
    modules = ["thimble.core.drops", "thimble.core.limits"]
    assert forms.missing_modules(tmp_path, modules, ".so") == ["thimble.core.limits: no extension file"]
    (tmp_path / "thimble" / "core" / "limits.so").touch()
    assert forms.missing_modules(tmp_path, modules, ".so") == []
    (tmp_path / "thimble" / "core" / "drops.py").touch()
    assert forms.missing_modules(tmp_path, modules, ".so") == [
        "thimble.core.drops: a source lies beside the extension file"
    ]


def test_the_installed_package_and_the_build_agree_on_the_compile_list() -> None:
    from thimble import build_info

    forms = import_build_tool("forms")
    assert build_info.COMPILED_FOLDERS == forms.FOLDERS
    assert build_info.EXCLUSION_MARK.decode() == forms.EXCLUSION_MARK
