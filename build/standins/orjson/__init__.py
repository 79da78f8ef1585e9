"""In place of orjson's `__init__`: loads its extension module without what that imports.

The extension looks up four classes while it starts, `uuid.UUID`, `enum.EnumMeta`, `dataclasses._FIELD` and
`json.JSONDecodeError`, and the C interface of `datetime`; that imports eleven heavy modules and costs 17.8 ms and
2.7 MB. Here it finds stand-ins, which leave again: 1.5 ms, 0.26 MB. The C interface comes from `_datetime`, which is
built in and all that `datetime` would hand over.

What differs: our process holds no UUIDs, enums or dataclasses, and `JSONDecodeError` is a subclass of ValueError
with `msg`, `doc` and `pos` but without `lineno` and `colno`. A module that was imported before is left as it is.
"""

import _datetime
import sys


class EnumMeta(type):
    """Never the class of anything."""


class UUID:
    """Never instantiated."""


class JSONDecodeError(ValueError):
    """Text is not JSON: `msg` says why, `pos` where (index of a character of `doc`)."""

    def __init__(self, msg, doc, pos):
        ValueError.__init__(self, f"{msg}: char {pos}")
        self.msg = msg
        self.doc = doc
        self.pos = pos


def _install():
    """Put the stand-ins where the extension looks; returns the names that have to leave again."""
    found = {
        "uuid": {"UUID": UUID},
        "enum": {"EnumMeta": EnumMeta},
        "dataclasses": {"_FIELD": object()},
        "json": {"JSONDecodeError": JSONDecodeError},
    }
    installed = []
    for name, members in found.items():
        if name not in sys.modules:
            module = type(sys)(name)
            module.__dict__.update(members)
            sys.modules[name] = module
            installed.append(name)
    if "datetime" not in sys.modules:
        sys.modules["datetime"] = _datetime
        installed.append("datetime")
    return installed


_installed = _install()
try:
    from .orjson import *  # noqa: F403
    from .orjson import __version__  # noqa: F401
finally:
    for _name in _installed:
        del sys.modules[_name]
