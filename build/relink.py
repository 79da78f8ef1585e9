"""Our own libpython, from the distribution's own position-independent objects.

Debian's `libpython3.11-dev` carries `libpython3.11-pic.a`: the very objects of its libpython, compiled with profiles.
Linked again with our table of built-in modules and our frozen modules, the library shrinks from 7.7 to 4.4 MB (2.6 to
1.6 zipped), and the bare interpreter starts in 6.1 ms instead of 6.7 with 166 page faults fewer:

- built-in modules that nobody imports stay out (unicodedata alone is 1.1 MB), and libexpat with them;
- Debian's frozen modules are "deep frozen": 0.9 MB of object graphs with 37,000 relocations, all written at load, for
  modules we mostly never import. Ours are marshalled, without docstrings, and unpacked when imported;
- the modules that the interpreter's start imports are among them, so it opens no file;
- relative relocations are packed (DT_RELR, which the bundle's own loader knows), 0.9 MB of tables less.

Where the archive is missing (another distribution, a Python built by hand), `available` says so and the bundle takes
libpython as it is: the same behaviour, larger and slower.

Source: CPython 3.11, Modules/config.c.in and Include/cpython/import.h (`struct _frozen`).
"""

from __future__ import annotations

import marshal
import sysconfig
from pathlib import Path

import bytecode
import contents
import elf
import forms

LINK_FLAGS = (
    "-shared", "-s", "-Wl,-O1", "-Wl,-Bsymbolic", "-Wl,--hash-style=gnu", "-Wl,--gc-sections", "-Wl,--build-id=none",
    "-Wl,-z,pack-relative-relocs", "-Wl,-z,noseparate-code", "-Wl,--no-eh-frame-hdr",
)  # fmt: skip

BOOTSTRAP = {"importlib._bootstrap": "_frozen_importlib", "importlib._bootstrap_external": "_frozen_importlib_external"}
"""Modules that the interpreter knows by another name."""

STANDINS = Path(__file__).resolve().parent / "standins"

ROOTS = ("Py_RunMain", "Py_BytesMain", "PyStructSequence_NewType", "PyContextVar_New", "Py_GetVersion")
"""Symbols that pull in archive members which the interpreter itself may not refer to."""

CORE_TABLE = """
    {"marshal", PyMarshal_Init}, {"_imp", PyInit__imp}, {"_ast", PyInit__ast}, {"builtins", 0}, {"sys", 0},
    {"gc", PyInit_gc}, {"_warnings", _PyWarnings_Init}, {"_string", PyInit__string}, {0, 0}
};
"""

FROZEN_TAIL = """
static const struct _frozen none[] = {{0}};
struct _module_alias { const char *name; const char *orig; };
static const struct _module_alias aliases[] = {
    {"_frozen_importlib", "importlib._bootstrap"},
    {"_frozen_importlib_external", "importlib._bootstrap_external"},
    {0, 0},
};
const struct _frozen *_PyImport_FrozenBootstrap = bootstrap, *_PyImport_FrozenStdlib = standard;
const struct _frozen *_PyImport_FrozenTest = none, *PyImport_FrozenModules = 0;
const struct _module_alias *_PyImport_FrozenAliases = aliases;
int _Py_Deepfreeze_Init(void) { return 0; }
void _Py_Deepfreeze_Fini(void) {}
"""


def archive() -> Path:
    """Where the distribution keeps the objects of its libpython."""
    return Path(str(sysconfig.get_config_var("LIBPL"))) / f"libpython{contents.PYTHON_MINOR}-pic.a"


def available() -> bool:
    """Whether libpython can be linked again here."""
    return archive().exists() and (Path(sysconfig.get_path("include")) / "Python.h").exists()


def standard_source(module: str) -> tuple[Path, Path, bool]:
    """Find a stand-in, a standard module or an installed one, in this order.

    Returns:
        The source, the folder that its path counts from, and whether it is a package.
    """
    for base in (STANDINS, Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))):
        place = base.joinpath(*module.split("."))
        if (place / "__init__.py").exists():
            return place / "__init__.py", base, True
        if place.with_suffix(".py").exists():
            return place.with_suffix(".py"), base, False
    raise forms.BuildError(f"there is no module {module} here.")


def builtin_table() -> str:
    """C source of the table of built-in modules."""
    core = ("PyMarshal_Init", "PyInit__imp", "PyInit_gc", "PyInit__ast", "_PyWarnings_Init", "PyInit__string")
    names = sorted(contents.BUILTIN_MODULES)
    lines = ['#include "Python.h"']
    lines += [f"extern PyObject *{function}(void);" for function in (*core, *(f"PyInit_{name}" for name in names))]
    lines.append("struct _inittab _PyImport_Inittab[] = {")
    lines += [f'    {{"{name}", PyInit_{name}}},' for name in names]
    return "\n".join(lines) + CORE_TABLE


def frozen_table(inside: dict[str, Path]) -> str:
    """C source of the frozen modules: those that the interpreter needs, and `inside` (module to source)."""
    lines = ['#include "Python.h"']
    rows: dict[str, list[str]] = {"bootstrap": [], "standard": []}
    sources = {module: standard_source(module)[0] for module in contents.FROZEN_MODULES} | inside
    for module, path in sources.items():
        is_package = path.name == "__init__.py"
        code = bytecode.code_of(path, f"<frozen {module}>")
        name = "code_" + module.replace(".", "__")
        data = ",".join(str(byte) for byte in marshal.dumps(code))
        lines.append(f"static const unsigned char {name}[] = {{{data}}};")
        table = "bootstrap" if module in BOOTSTRAP else "standard"
        rows[table].append(f'    {{"{BOOTSTRAP.get(module, module)}", {name}, sizeof {name}, {int(is_package)}, 0}},')
    for table, entries in rows.items():
        lines += [f"static const struct _frozen {table}[] = {{", *entries, "    {0}", "};"]
    return "\n".join(lines) + FROZEN_TAIL


def link_python(work: Path, zlib: Path, inside: dict[str, Path]) -> Path:
    """Link libpython into `work`, against the zlib at `zlib`, with the modules `inside`; returns the library."""
    work.mkdir(parents=True, exist_ok=True)
    objects = []
    for name, text in (("config", builtin_table()), ("frozen", frozen_table(inside))):
        source = work / f"{name}.c"
        source.write_text(text)
        objects.append(str(source.with_suffix(".o")))
        include = sysconfig.get_path("include")
        elf.run(["gcc", "-c", "-O2", "-fPIC", f"-I{include}", str(source), "-o", objects[-1]])
    library = work / contents.LIBPYTHON
    inputs = [
        *objects,
        *(f"-Wl,-u,{symbol}" for symbol in ROOTS),
        str(elf.without_unwinding(archive(), work)),
        str(zlib),
        "-lm",
    ]
    elf.run(["gcc", *LINK_FLAGS, f"-Wl,-soname,{library.name}", "-o", str(library), *inputs])
    return library
