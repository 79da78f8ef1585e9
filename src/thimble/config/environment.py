"""Settings from the environment: the only source that most functions have. A `datadog.yaml` goes below it.

Loading is part of the cold start. It looks at each variable once, tells by the first letters whether it may be ours,
and finds field and parser in one table; defaults cost nothing beyond making the object.

Names are matched in any case. Where several name the same field, `DD_` goes before `DATADOG_`, and within a prefix the
name in capitals before others; the rest is decided by the alphabet, so that the outcome never depends on the order
of the environment.
"""

from __future__ import annotations

import posix

from thimble.config.assemble import Assembly
from thimble.config.aws import TASK_ROOT_DEFAULT
from thimble.config.layers import BadValueError, Layer, quoted
from thimble.config.model import Settings
from thimble.config.names import OWN, PREFIXED, SECRET_FIELDS
from thimble.config.parsers import clean, parse_text


def load_settings(environ: dict[str, str]) -> tuple[Settings, list[str]]:
    """Read all settings.

    Args:
        environ: A copy of the environment; never changed.

    Returns:
        The settings, and one sentence per thing that was wrong with a setting. Never raises for any environment.
    """
    assembly = assemble_settings(environ)
    return assembly.settings, assembly.warnings()


def assemble_settings(environ: dict[str, str]) -> Assembly:
    """As `load_settings`, with the origin of each value kept."""
    assembly = Assembly()
    path = f"{environ.get('LAMBDA_TASK_ROOT', '') or TASK_ROOT_DEFAULT}/datadog.yaml"
    if _is_there(path):
        assembly.lay(_read_yaml(path))
    assembly.lay(read_environment(environ))
    assembly.finish(environ)
    return assembly


def read_environment(environ: dict[str, str]) -> Layer:
    """The layer of all variables that are settings."""
    found: list[tuple[int, str, str]] = []
    for name in environ:
        if name[:1] in "DdTt":
            upper = name.upper()
            rank = -1
            if upper.startswith("DD_"):
                rank = 2 if upper[3:] in PREFIXED else -1
            elif upper.startswith("DATADOG_"):
                rank = 0 if upper[8:] in PREFIXED else -1
            elif upper.startswith("THIMBLE_"):
                rank = 2 if upper[8:] in OWN else -1
            if rank >= 0:
                found.append((rank + 1 if name == upper else rank, name, upper))
    found.sort()
    layer = Layer()
    for _rank, name, upper in found:
        table = OWN if upper.startswith("THIMBLE_") else PREFIXED
        field, code = table[upper[3:] if upper.startswith("DD_") else upper[8:]]
        _read(layer, name, field, code, clean(environ[name]))
    return layer


def _read(layer: Layer, name: str, field: str, code: str, text: str) -> None:
    """Parse one text into the layer, or note why it cannot be used."""
    notes: list[str] = []
    try:
        value = parse_text(code, text, notes)
    except BadValueError as error:
        value = None
        shown = "the value" if field in SECRET_FIELDS else quoted(text)
        layer.complain(name, field, f"{shown} {error}", True)
    if value is not None:
        layer.put(field, value, name)
    for note in notes:
        layer.complain(name, field, note, False)


def _is_there(path: str) -> bool:
    """Whether anything lies at the path, readable or not."""
    try:
        posix.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def _read_yaml(path: str) -> Layer:
    """The layer of the file; its reader costs 15 ms and more, so it is imported only here."""
    try:
        from thimble.config.yaml_file import read_file
    except ImportError as error:
        layer = Layer()
        layer.complain("datadog.yaml", "", f"the file is ignored, this build has no reader for it ({error})", False)
        return layer
    return read_file(path)
