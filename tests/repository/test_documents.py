"""What the documents say about the tree and the commands is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.forms import ROOT, SOURCE

DOCUMENTS = ("README.md", "CONTRIBUTING.md")


def layout_block() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split("## Layout\n\n```\n")[1].split("```")[0].splitlines()


def layout_paths() -> Iterator[str]:
    """Paths of the README's layout: a folder line opens a level, indented lines belong to it."""
    folder = ""
    for line in layout_block():
        name = line.split()[0]
        if line.startswith(" "):
            yield folder + name
        else:
            folder = name
            yield name


@pytest.mark.parametrize("path", list(layout_paths()))
def test_the_layout_in_the_readme_exists(path: str) -> None:
    assert (ROOT / path).exists()
    assert (ROOT / path).is_dir() == path.endswith("/")


def test_the_layout_in_the_readme_names_every_package() -> None:
    package = SOURCE / "thimble"
    folders = {f"src/thimble/{path.name}/" for path in package.iterdir() if (path / "__init__.py").exists()}
    generated = {"src/thimble/_native/"}
    assert folders - generated <= set(layout_paths())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_a_document_names_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= targets


def test_the_packages_named_in_the_readme_are_those_that_the_check_asks_for() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / "build" / "prerequisites.sh").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    packages = re.search(r"apt-get install ([^`]+)`", readme)
    assert packages is not None
    for name in packages.group(1).split():
        assert name in script, f"{name} is in the README and not in build/prerequisites.sh"
        assert name in ci, f"{name} is in the README and not in .ci/run"


def test_own_scripts_are_executable_where_people_call_them() -> None:
    assert Path(ROOT / ".ci" / "run").stat().st_mode & 0o111 == 0o111
