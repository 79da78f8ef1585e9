"""What lies in the layer: all that is listed, nothing else, within its budget, the same on every build."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import archive
import check
import contents
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def zipped(bundle) -> Path:
    return ROOT / "dist" / f"thimble-{bundle['architecture']}.zip"


def test_the_layer_is_exactly_what_the_description_lists(layer, bundle):
    assert check.check_tree(layer, bundle["files"]) == []


def test_the_zip_unpacks_to_the_layer_with_its_executable_bits(layer, bundle, zipped):
    with zipfile.ZipFile(zipped) as file:
        assert file.testzip() is None
        found = {
            entry.filename: (hashlib.sha256(file.read(entry)).hexdigest(), f"{entry.external_attr >> 16 & 0o777:o}")
            for entry in file.infolist()
        }
    assert found == {name: (facts["sha256"], facts["mode"]) for name, facts in bundle["files"].items()}
    executable = sorted(name for name, facts in bundle["files"].items() if facts["mode"] == "755")
    loader = contents.LOADERS[bundle["architecture"]]
    assert executable == sorted(
        ["datadog_wrapper", "extensions/datadog-agent", "thimble/thimble", f"thimble/lib/{loader}"]
    )


def test_the_same_content_gives_the_same_zip(tmp_path):
    files = {"b/two": (b"2" * 5000, 0o644), "a": (b"", 0o755), "ü": (bytes(range(256)) * 9, 0o600)}
    archive.write_zip(tmp_path / "one.zip", files)
    archive.write_zip(tmp_path / "two.zip", dict(reversed(files.items())))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == {name: data for name, (data, _) in files.items()}


def test_the_layer_is_within_its_budget(layer, bundle, zipped):
    unzipped = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file())
    assert unzipped == bundle["unzipped_bytes"]
    assert zipped.stat().st_size == bundle["zipped_bytes"]
    if not bundle["is_release"]:
        pytest.skip("this machine lacks the archives that a release is linked from, see `make bundle`")
    assert check.check_budgets(zipped.stat().st_size, unzipped) == []


def test_nothing_heavy_lies_in_the_layer(bundle):
    """Modules that cost milliseconds each, and what must never run in the Lambda sandbox."""
    shipped = {name for names in bundle["modules"].values() for name in names}
    heavy = ("asyncio", "ssl", "socket", "logging", "json", "threading", "dataclasses", "subprocess", "aiohttp")
    assert sorted(shipped & set(heavy)) == []
    assert [name for name in shipped if name.startswith(("thimble.sandbox", "thimble.cli"))] == []


def test_no_path_of_the_build_machine_lies_in_the_byte_code(layer):
    for path in layer.rglob("*.pyc"):
        assert str(ROOT).encode() not in path.read_bytes(), path


def listed(layer: Path) -> dict[str, dict[str, object]]:
    return {
        str(path.relative_to(layer)): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "mode": f"{path.stat().st_mode & 0o777:o}",
        }
        for path in layer.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def small_layer(tmp_path) -> Path:
    for name in ("thimble/a", "thimble/b", "run"):
        path = tmp_path / "layer" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "layer"


def test_the_check_names_a_file_that_nobody_listed(small_layer):
    before = listed(small_layer)
    (small_layer / "thimble" / "extra").touch()
    assert check.check_tree(small_layer, before) == ["unexpected file thimble/extra."]


def test_the_check_names_a_missing_a_changed_and_an_unexecutable_file(small_layer):
    before = listed(small_layer)
    (small_layer / "thimble" / "a").unlink()
    (small_layer / "thimble" / "b").write_text("other")
    (small_layer / "run").chmod(0o600)
    assert check.check_tree(small_layer, before) == [
        "missing file thimble/a.", "run has mode 600, not 644.", "thimble/b is not the file that was built.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("zipped_bytes", "unzipped_bytes", "count"),
    [(contents.ZIPPED_BYTES_MAX, contents.UNZIPPED_BYTES_MAX, 0), (contents.ZIPPED_BYTES_MAX + 1, 0, 1),
     (0, contents.UNZIPPED_BYTES_MAX + 1, 1)],
)  # fmt: skip
def test_the_check_refuses_a_layer_above_its_budget(zipped_bytes, unzipped_bytes, count):
    assert len(check.check_budgets(zipped_bytes, unzipped_bytes)) == count
