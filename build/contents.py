"""The allow-list of the bundle: every file in the layer stands here or follows from a rule here, with its reason.

What is not on the list is not shipped; what is on it and missing stops the build. Items that a feature needs
(`Extension`, stand-ins) are shipped when the package imports them and not otherwise.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
"""What `uname -m` says -> the name that AWS gives the architecture."""

LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}
"""The dynamic loader's real file name: PyInstaller's bootloader recognises it by that."""

PYTHON_MINOR = "3.11"
LIBPYTHON = f"libpython{PYTHON_MINOR}.so.1.0"

LIBRARIES = {
    "libc.so.6": "the C library; the customer's may be older, musl, or missing",
    "libm.so.6": "libpython's floating point",
    "libdl.so.2": "an empty shell since glibc 2.34 that the bootloader names",
    "libpthread.so.0": "the same, named by the bootloader and by wheels",
    "libgcc_s.so.1": "unwinding in modules written in Rust",
    "librt.so.1": "an empty shell since glibc 2.34, named by them",
    "libz.so.1": "the bootloader and the zlib module",
    "libexpat.so.1": "named by Debian's libpython; not by the relinked one",
    "libssl.so.3": "TLS, loaded by the first flush",
    "libcrypto.so.3": "the same",
}
"""Shared libraries that may be shipped. Which ones are, follows from what the shipped programs name."""

BUILTIN_MODULES = {
    "_abc": "abc",
    "_codecs": "codecs",
    "_datetime": "orjson takes the C interface of datetime from it",
    "_collections": "a data structure that is loaded for nothing",
    "_functools": "the same",
    "_io": "the interpreter's start",
    "_locale": "the interpreter's start",
    "_operator": "loaded by _datetime's users",
    "_sha256": "request signing",
    "_signal": "the interpreter's start, and our own signals",
    "_socket": "every socket",
    "_sre": "log processing rules",
    "_stat": "kinds of files",
    "_struct": "fixed-size binary fields",
    "_thread": "the interpreter's start, and the resolver thread",
    "_tracemalloc": "the interpreter refers to it",
    "_weakref": "the interpreter's start",
    "atexit": "the interpreter's end",
    "binascii": "base64 and hexadecimal",
    "errno": "error numbers",
    "faulthandler": "the interpreter refers to it",
    "fcntl": "descriptor flags",
    "itertools": "small, used widely",
    "math": "sketches",
    "posix": "the operating system",
    "select": "epoll",
    "time": "clocks",
    "zlib": "gzip and deflate bodies",
}
"""Modules compiled into our own libpython. Debian's has 30 more, among them unicodedata with 1.1 MB."""

CORE_MODULES = (
    "marshal", "_imp", "_ast", "builtins", "sys", "gc", "_warnings", "_string", "_frozen_importlib",
    "_frozen_importlib_external",
)  # fmt: skip
"""Modules of the interpreter's own core, in every libpython."""

FROZEN_MODULES = {
    "importlib._bootstrap": "the import system",
    "importlib._bootstrap_external": "the import system's path finder",
    "abc": "io",
    "codecs": "encodings",
    "io": "standard streams",
    "encodings": "the interpreter's start",
    "encodings.aliases": "the interpreter's start",
    "encodings.utf_8": "the interpreter's start",
    "encodings.ascii": "the codec by name, where C has no short cut",
    "encodings.latin_1": "the same",
    "__future__": "what mypyc makes takes `annotations` from it; a stand-in",
    "importlib": "what mypyc makes imports it; a stand-in",
    "importlib.machinery": "what mypyc makes takes ModuleSpec from it",
}
"""Modules of the standard library that live inside our own libpython: no file is opened for them.

zipimport is left out: the interpreter starts without it (0.3 ms), and there is no archive to import from. A libpython
taken as it is has some of them inside; the rest are then shipped as files."""

OPTIONAL_MODULES = {
    "re": (
        "re", "re._casefix", "re._compiler", "re._constants", "re._parser", "copyreg", "enum", "functools", "types",
        "operator", "keyword", "reprlib", "collections", "_collections_abc",
    ),
    "yaml.composer": (
        "yaml", "yaml.composer", "yaml.error", "yaml.events", "yaml.nodes", "yaml.parser", "yaml.reader",
        "yaml.scanner", "yaml.tokens",
    ),
}  # fmt: skip
"""Interpreted modules of others with all that they import, shipped when the package imports the name before the colon:
patterns in the customer's rules (5.5 ms), and `datadog.yaml`. Loaded only by functions that have such settings."""


@dataclass(frozen=True)
class Extension:
    """A third-party or standard extension module, shipped when the package imports `trigger`."""

    module: str
    trigger: str
    why: str


EXTENSIONS = (
    Extension("_ssl", "_ssl", "TLS over memory buffers"),
    Extension("orjson.orjson", "orjson", "JSON both ways"),
    Extension("backports.zstd._zstd", "backports.zstd", "compressed payloads"),
    Extension("flpc.flpc", "flpc.flpc", "Rust's regex engine for log processing rules; 0.79 MB zipped"),
    Extension("httptools.parser.parser", "httptools.parser.parser", "the HTTP parser"),
    Extension("msgpack._cmsgpack", "msgpack._cmsgpack", "trace payloads"),
)

EXCLUDED_MODULES = (
    "thimble.boot", "thimble.build_info", "thimble.cli", "thimble.__main__", "thimble.sandbox",
    "thimble.config.document", "thimble.config.effective", "thimble.config.reference",
)  # fmt: skip
"""Not shipped: the entry script lies inside the program, the others never run in the Lambda sandbox."""

WRAPPER = "datadog_wrapper"
LAUNCHER = "extensions/datadog-agent"
"""The name that Datadog's client libraries look for, and the extension's registered name."""

PROGRAM = "thimble"
LIB = f"{PROGRAM}/lib"
CERTIFICATES = f"{LIB}/ca"
"""`sys.prefix + "/ca"` seen from inside."""

ZIPPED_BYTES_MAX = 7_500_000
UNZIPPED_BYTES_MAX = 20_000_000
"""Bytes are start-up time: with a cold page cache the bare interpreter takes 22 ms instead of 7."""


def architecture() -> str:
    """AWS's name of this machine's architecture: `x86_64` or `arm64`."""
    return MACHINES[platform.machine().lower()]
