"""The checks that stop a build: each is shown something that is wrong and must name it."""

from __future__ import annotations

import json
from pathlib import Path

import assemble
import check
import contents
import forms
import imports
import pytest

ENTRY = forms.SOURCE / "thimble" / "boot.py"


@pytest.fixture(scope="module")
def package() -> assemble.Package:
    folder = forms.ROOT / "out" / "compiled"
    if not (folder / "thimble").is_dir():
        pytest.fail("out/compiled is missing: run `make bundle` first")
    package = assemble.Package("compiled", folder, ENTRY)
    # A source that was added since the last build is not this test's business.
    built = set(json.loads(folder.with_name("compiled.stamp.json").read_text())["modules"])
    package.group &= built
    package.native = [module for module in package.native if module in built]
    known = {module: path for module, path in package.interpreted().items() if path.exists()}
    package.sources = {module: path for module, path in package.sources.items() if module in known or module in built}
    return package


@pytest.fixture
def files(package) -> assemble.Files:
    return dict(package.files({}))


def test_a_complete_compiled_package_is_accepted(package, files):
    assert check.check_compiled(package, files) == []


def test_a_missing_kernel_a_missing_root_and_a_missing_group_are_named(package, files):
    end = assemble.suffix()
    wanted = [forms.GROUP_LIBRARY, forms.ENTRY, *package.native]
    assert len(wanted) > 2
    for module in wanted:
        less = {name: file for name, file in files.items() if name != f"{contents.LIB}/{module.replace('.', '/')}{end}"}
        assert check.check_compiled(package, less) == [f"the compiled module {module} is missing."]


def test_a_module_that_the_group_does_not_contain_is_named(package, files):
    name = f"{contents.LIB}/{forms.GROUP_LIBRARY}{assemble.suffix()}"
    files[name] = assemble.File(files[name].data.replace(b"init_thimble___app", b"init_thimble___oth"), "compiled", "")
    assert check.check_compiled(package, files) == [f"{forms.GROUP_LIBRARY} does not contain thimble.app."]


def test_a_compiled_module_that_lies_there_as_byte_code_too_is_named(package, files):
    files[f"{contents.LIB}/thimble/app.pyc"] = assemble.File(b"", "bytecode", "")
    assert check.check_compiled(package, files) == ["thimble.app is compiled and lies in the bundle as byte code too."]


def test_an_import_of_something_that_is_not_shipped_is_named(package):
    shipped = {name for names in package.imports_of.values() for name in names}
    assert check.check_imports(package, shipped) == []
    problems = check.check_imports(package, shipped - {"_socket"})
    assert "__main__ imports _socket, which the bundle does not have (see build/contents.py)." in problems


def test_an_import_of_what_must_not_be_shipped_is_named(package):
    package.imports_of["thimble.app"].add("thimble.sandbox.emulator")
    try:
        shipped = {name for names in package.imports_of.values() for name in names}
        assert check.check_imports(package, shipped) == [
            "thimble.app imports thimble.sandbox.emulator, which is not part of the bundle."
        ]
    finally:
        package.imports_of["thimble.app"].discard("thimble.sandbox.emulator")


def test_a_standard_module_without_what_it_imports_is_named():
    modules = {"frozen": [], "standard": ["functools"]}
    shipped = set(contents.FROZEN_MODULES) | set(contents.BUILTIN_MODULES) | set(contents.CORE_MODULES)
    problems = check.check_standard(modules, shipped)
    assert "functools imports collections, which the bundle does not have (see build/contents.py)." in problems


def test_every_symbol_of_the_interpreter_that_an_extension_wants_is_offered(layer, package, files):
    library = f"{contents.LIB}/{contents.LIBPYTHON}"
    shipped = {**files, library: assemble.File((layer / library).read_bytes(), "library", "")}
    assert check.check_symbols(shipped) == []
    libz = f"{contents.LIB}/libz.so.1"
    wrong = {**files, library: assemble.File((layer / libz).read_bytes(), "library", "")}
    assert any("wants PyErr_Occurred, which libpython lacks." in problem for problem in check.check_symbols(wrong))


SOURCE = """
from __future__ import annotations
import a, b.c as d
from e import f
from . import g
from .h import i
from ..j import k
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import never
else:
    import always
if TYPE_CHECKING or a.PURE:
    import twin
def function():
    try:
        import late
    except ImportError:
        import later
    match a:
        case 1:
            import matched
class Thing:
    import inner
"""


def test_imports_are_found_wherever_they_stand(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    assert imports.imported(path, "top.package.module") == {
        "a", "b.c", "e", "e.f", "top.package", "top.package.g", "top.package.h", "top.package.h.i", "top.j", "top.j.k",
        "typing", "typing.TYPE_CHECKING", "always", "twin", "late", "later", "matched", "inner",
    }  # fmt: skip
    assert imports.imported_at_start(path, "top.package.module") == {
        "a", "b.c", "e", "e.f", "top.package", "top.package.g", "top.package.h", "top.package.h.i", "top.j", "top.j.k",
        "typing", "typing.TYPE_CHECKING",
    }  # fmt: skip


def test_relative_imports_of_a_package_count_from_itself(tmp_path: Path):
    path = tmp_path / "__init__.py"
    path.write_text("from .x import y\nfrom .. import z\n")
    assert imports.imported(path, "top.package") == {"top.package.x", "top.package.x.y", "top", "top.z"}
