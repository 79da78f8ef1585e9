"""Which extension runs beside the function: the one asked for, the bundle's layer, or the installed package."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from thimble.sandbox.spec import ExtensionSpec, discover_extensions

EXTENSION_NAME: Final = "datadog-agent"
"""The name that Datadog's client libraries look for in /opt/extensions."""

LAYER: Final = Path("dist", "layer")
"""Where `make bundle` puts the unpacked layer, below the root of the source tree."""


class ChoiceError(Exception):
    """There is no such extension; the text says what to do."""


@dataclass(frozen=True)
class Choice:
    """The extensions of a run.

    Attributes:
        extensions: What to start; empty for none.
        text: How to call it on the console; empty for none.
        layer: The folder that belongs at /opt; `None` when nothing does.
    """

    extensions: list[ExtensionSpec]
    text: str
    layer: Path | None = None


def choose_extension(asked: str | None) -> Choice:
    """Find the extension.

    Args:
        asked: An executable, or a layer's folder (one with `extensions/` in it), `package` for the installed package
            even when a layer was built, or `None` for the default.

    Raises:
        ChoiceError: Nothing usable is there.
    """
    if asked == "package":
        return _package()
    if asked is None:
        layer = find_layer()
        return _package() if layer is None else _layer(layer, "the frozen extension")
    path = Path(asked).resolve()
    if path.is_dir():
        return _layer(path, path.name)
    if not path.exists():
        raise ChoiceError(f"{asked} does not exist: --extension wants an executable or the folder of a layer")
    if not os.access(path, os.X_OK):
        raise ChoiceError(f"{asked} is not executable: run chmod +x {asked}")
    return Choice([ExtensionSpec(path=path)], path.name)


def find_layer() -> Path | None:
    """Return the unpacked layer of the source tree that this package runs from or that we stand in, if it is built."""
    places = [Path.cwd(), *Path(__file__).resolve().parents]
    for place in places:
        layer = place / LAYER
        if os.access(layer / "extensions" / EXTENSION_NAME, os.X_OK):
            return layer.resolve()
    return None


def _layer(folder: Path, text: str) -> Choice:
    extensions = discover_extensions(folder / "extensions")
    if not extensions:
        raise ChoiceError(f"{folder} is no layer: it has no executable in {folder / 'extensions'}")
    return Choice(extensions, text, folder)


def _package() -> Choice:
    """The extension as plain `python -m thimble.boot`, found where this very package was imported from."""
    place = Path(__file__).resolve().parents[2]
    spec = ExtensionSpec(
        path=Path(sys.prefix) / EXTENSION_NAME,
        command=[sys.executable, "-m", "thimble.boot"],
        env={"PYTHONPATH": str(place)},
    )
    return Choice([spec], "the extension of the installed package")
