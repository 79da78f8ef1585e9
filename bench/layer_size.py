"""Bytes of the layer, zipped and unzipped, and what they consist of: with a cold page cache bytes are start-up time.

Checked: the zip holds the same files as the folder, byte for byte, and the record beside them tells the truth.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bench.harness import ROOT, Bench, Measurement, Unavailable

STEADY = True
LARGEST = 5


def check_same(archive: zipfile.ZipFile, folder: Path) -> None:
    """Raises RuntimeError at the first difference between the zip and the folder."""
    packed = {entry.filename for entry in archive.infolist() if not entry.is_dir()}
    lying = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if packed != lying:
        raise RuntimeError(f"the zip and dist/layer differ: {sorted(packed ^ lying)[:5]}")
    for name in packed:
        if archive.read(name) != (folder / name).read_bytes():
            raise RuntimeError(f"{name} in the zip is not the one in dist/layer")


def measure(_: Bench) -> Iterator[Measurement]:
    try:
        record = json.loads((ROOT / "dist" / "bundle.json").read_text(encoding="utf-8"))
        path = ROOT / "dist" / f"thimble-{record['architecture']}.zip"
        zipped_bytes = path.stat().st_size
    except OSError as error:
        raise Unavailable("dist/ holds no layer: make bundle") from error
    with zipfile.ZipFile(path) as archive:
        check_same(archive, ROOT / "dist" / "layer")
        unzipped_bytes = sum(entry.file_size for entry in archive.infolist())
    if (record["zipped_bytes"], record["unzipped_bytes"]) != (zipped_bytes, unzipped_bytes):
        raise RuntimeError("dist/bundle.json does not describe dist/")
    if record["form"] != "compiled":
        raise RuntimeError(f"the layer is of the {record['form']} form; the compiled one is shipped")
    largest = sorted(record["files"].items(), key=lambda item: -item[1]["zipped_bytes"])[:LARGEST]
    names = ", ".join(f"{Path(name).name.split('.')[0]} {file['zipped_bytes'] / 1e6:.2f}" for name, file in largest)
    yield Measurement("zipped", zipped_bytes / 1e6, "MB", names)
    yield Measurement("unzipped", unzipped_bytes / 1e6, "MB")
    yield Measurement("files", len(record["files"]), "files")
    ours = sum(file["bytes"] for name, file in record["files"].items() if "thimble__mypyc" in name)
    yield Measurement("group", ours / 1e6, "MB", "the compiled group, unzipped")
