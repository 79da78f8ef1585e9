"""The compile step, on a small package of its own: complete, quick when nothing changed, and never silently partial."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.helpers.forms import ROOT

SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))
LIBRARY = f"thimble__mypyc{SUFFIX}"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SOURCES = {
    "__init__.py": "",
    "twin.py": 'FORM = "pure"\nPURE = FORM == "pure"\n',
    "version.py": 'VERSION = "1.2.3"\n',
    "app.py": "from thimble.core.sums import twice\n\n\ndef answer() -> int:\n    return twice(21)\n",
    "cli.py": "def main() -> int:\n    return 0\n",
    "core/__init__.py": "",
    "core/sums.py": "def twice(number: int) -> int:\n    return number + number\n",
    "core/texts.py": '"""Texts."""\n\n# Not compiled: shows that a file may leave the group.\n\nGREETING = "hello"\n',
    "_native/__init__.py": "",
} | {f"{folder}/__init__.py": "" for folder in ("config", "reactor", "http", "sources", "sinks", "shell")}


def make_tree(root: Path) -> Path:
    """A copy of the build scripts around a small package and one kernel."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root / name)
    (root / "build").mkdir()
    for name in ("forms.py", "extensions.py", "compile.py", "backend.py"):
        shutil.copy(ROOT / "build" / name, root / "build" / name)
    for name, text in SOURCES.items():
        path = root / "src" / "thimble" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "native").mkdir()
    (root / "native" / "triple.pyx").write_text("def triple(long number):\n    return 3 * number\n", encoding="utf-8")
    return root


def compile_tree(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "build/compile.py", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def evaluate(path: Path, program: str) -> str:
    """Run a program that sees only `path` and the standard library."""
    code = f"import sys; sys.path.insert(0, {str(path)!r}); {program}"
    result = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], capture_output=True, text=True, check=False)
    return (result.stdout + result.stderr).strip()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled tree. Tests that change it take a copy."""
    root = make_tree(tmp_path_factory.mktemp("tree"))
    result = compile_tree(root)
    assert result.returncode == 0, result.stdout + result.stderr
    return root


@pytest.fixture
def own_tree(tree: Path, tmp_path: Path) -> Path:
    """A copy of the compiled tree, with times kept."""
    return Path(shutil.copytree(tree, tmp_path / "tree"))


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_result_holds_machine_code_for_the_list_and_sources_for_the_rest(tree: Path) -> None:
    folders = ("config", "reactor", "http", "sources", "sinks", "shell")
    assert files_below(tree / "out" / "compiled") == {
        LIBRARY,
        f"thimble/app{SUFFIX}",
        f"thimble/core/sums{SUFFIX}",
        f"thimble/_native/triple{SUFFIX}",
        "thimble/__init__.py",
        "thimble/twin.py",
        "thimble/version.py",
        "thimble/cli.py",
        "thimble/core/__init__.py",
        "thimble/core/texts.py",
        "thimble/_native/__init__.py",
        *(f"thimble/{folder}/__init__.py" for folder in folders),
    }


def test_the_compiled_package_works_and_says_its_form(tree: Path) -> None:
    program = (
        "import thimble.app, thimble.twin, thimble.core.texts, thimble._native.triple as n; "
        "print(thimble.app.answer(), thimble.twin.FORM, thimble.twin.PURE, thimble.core.texts.GREETING, n.triple(3))"
    )
    assert evaluate(tree / "out" / "compiled", program) == "42 compiled False hello 9"


def test_the_root_reaches_its_siblings_without_their_shims(own_tree: Path) -> None:
    """What the bundle relies on: the library and the shim of the root are enough."""
    compiled = own_tree / "out" / "compiled"
    (compiled / "thimble" / "core" / f"sums{SUFFIX}").unlink()
    program = (
        "import thimble.app; m = sys.modules['thimble.core.sums']; print(thimble.app.answer(), type(m.twice).__name__)"
    )
    assert evaluate(compiled, program) == "42 builtin_function_or_method"


def test_without_the_library_the_root_is_an_import_error(own_tree: Path) -> None:
    compiled = own_tree / "out" / "compiled"
    (compiled / LIBRARY).unlink()
    assert evaluate(compiled, "import thimble.app").endswith("No module named 'thimble__mypyc'")


def test_a_second_build_does_nothing(own_tree: Path) -> None:
    first = compile_tree(own_tree)
    assert first.returncode == 0
    again = compile_tree(own_tree)
    assert "is up to date (4 extension files)" in again.stdout
    assert "mypyc" not in again.stdout


def test_a_lost_file_is_made_again(own_tree: Path) -> None:
    compile_tree(own_tree)
    lost = own_tree / "out" / "compiled" / "thimble" / "core" / f"sums{SUFFIX}"
    lost.unlink()
    result = compile_tree(own_tree)
    assert result.returncode == 0, result.stderr
    assert lost.exists()


def test_a_source_that_goes_takes_its_extension_file_along(own_tree: Path) -> None:
    package = own_tree / "src" / "thimble"
    (package / "core" / "sums.py").rename(package / "core" / "totals.py")
    (package / "app.py").write_text(SOURCES["app.py"].replace("core.sums", "core.totals"), encoding="utf-8")
    result = compile_tree(own_tree)
    assert result.returncode == 0, result.stderr
    compiled = own_tree / "out" / "compiled"
    assert not (compiled / "thimble" / "core" / f"sums{SUFFIX}").exists()
    assert evaluate(compiled, "import thimble.app; print(thimble.app.answer())") == "42"


def test_a_file_that_leaves_the_group_becomes_a_source(own_tree: Path) -> None:
    path = own_tree / "src" / "thimble" / "core" / "sums.py"
    path.write_text("# Not compiled: shows the way out.\n" + SOURCES["core/sums.py"], encoding="utf-8")
    result = compile_tree(own_tree)
    assert result.returncode == 0, result.stderr
    compiled = own_tree / "out" / "compiled"
    assert evaluate(compiled, "import thimble.core.sums as m; print(m.__file__)").endswith("core/sums.py")
    assert evaluate(compiled, "import thimble.app; print(thimble.app.answer())") == "42"


def test_a_type_error_stops_the_build_and_is_shown_whole(own_tree: Path) -> None:
    path = own_tree / "src" / "thimble" / "core" / "sums.py"
    path.write_text("def twice(number: int) -> int:\n    return str(number)\n", encoding="utf-8")
    result = compile_tree(own_tree)
    assert result.returncode == 1
    assert "src/thimble/core/sums.py:2: error: Incompatible return value type" in result.stdout
    assert "compile: the compile step failed" in result.stderr


def test_a_kernel_that_does_not_compile_stops_the_build(own_tree: Path) -> None:
    (own_tree / "native" / "triple.pyx").write_text("def triple(long number):\n    return 3 *\n", encoding="utf-8")
    result = compile_tree(own_tree)
    assert result.returncode == 1
    assert "triple.pyx:2" in result.stdout + result.stderr


def test_a_root_that_is_missing_is_named(own_tree: Path) -> None:
    (own_tree / "src" / "thimble" / "app.py").unlink()
    result = compile_tree(own_tree)
    assert result.returncode == 1
    assert "thimble/app.py is on the compile list and does not exist" in result.stderr


def test_a_part_of_the_list_needs_a_place_of_its_own(own_tree: Path, tmp_path: Path) -> None:
    refused = compile_tree(own_tree, "--only", "core")
    assert refused.returncode == 2
    assert "give it a place of its own" in refused.stderr
    result = compile_tree(own_tree, "--only", "core", "--out", str(tmp_path / "part"))
    assert result.returncode == 0, result.stderr
    assert "thimble/app.py" in files_below(tmp_path / "part")
    assert f"thimble/core/sums{SUFFIX}" in files_below(tmp_path / "part")


@pytest.mark.parametrize("form", ["pure", "compiled"])
def test_a_wheel_of_either_form_holds_that_form(own_tree: Path, tmp_path: Path, form: str) -> None:
    program = "import sys; sys.path.insert(0, 'build'); import backend; print(backend.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(tmp_path / "wheels")]
    (tmp_path / "wheels").mkdir()
    environment = {"PATH": "/usr/bin:/bin", "THIMBLE_BUILD": form}
    result = subprocess.run(command, cwd=own_tree, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = (tmp_path / "wheels").glob("thimble-1.2.3-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert f'FORM = "{form}"' in archive.read("thimble/twin.py").decode()
    assert (LIBRARY in names) == (form == "compiled")
    assert ("thimble/core/sums.py" in names) == (form == "pure")
    assert (f"thimble/core/sums{SUFFIX}" in names) == (form == "compiled")


def test_the_backend_asks_for_compilers_only_when_it_needs_them(tree: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, 'build'); import backend, json; "
        "print(json.dumps(backend.get_requires_for_build_wheel()))"
    )
    wanted = {}
    for form in ("pure", "compiled"):
        environment = {"PATH": "/usr/bin:/bin", "THIMBLE_BUILD": form}
        command = [sys.executable, "-c", program]
        result = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)
        wanted[form] = {item.split("==")[0] for item in json.loads(result.stdout.splitlines()[-1])}
    assert wanted["compiled"] - wanted["pure"] == {"mypy", "cython"}
