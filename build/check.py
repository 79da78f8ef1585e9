"""What must hold of a bundle before it may be called one. A breach stops the build; nothing is only reported.

`python build/check.py` checks the layer in dist/ again, as it lies there.
"""

from __future__ import annotations

import hashlib
import json
import stat
import sys
import tempfile
from pathlib import Path

import assemble
import contents
import elf
import forms
import imports
import relink


def check_imports(package: assemble.Package, shipped: set[str]) -> list[str]:
    """Every import of the package must find its module in the bundle.

    `shipped`: dotted names of all modules in the bundle, built-in ones included.
    """
    problems = []
    for module, names in sorted(package.imports_of.items()):
        for name in sorted(names):
            if assemble.is_excluded(name):
                problems.append(f"{module} imports {name}, which is not part of the bundle.")
            parent = name.rpartition(".")[0]
            if name not in shipped and parent not in shipped and parent not in names:
                problems.append(f"{module} imports {name}, which the bundle does not have (see build/contents.py).")
    return problems


def check_standard(modules: dict[str, list[str]], shipped: set[str]) -> list[str]:
    """What shipped modules of the standard library import at their top level is shipped too."""
    problems = []
    for module in [*contents.FROZEN_MODULES, *modules.get("standard", [])]:
        path, _, _ = relink.standard_source(module)
        problems += [
            f"{module} imports {name}, which the bundle does not have (see build/contents.py)."
            for name in sorted(imports.imported_at_start(path, module) - shipped)
            if name.rpartition(".")[0] not in shipped
        ]
    return problems


def shipped_modules(
    package: assemble.Package, files: assemble.Files, inside: set[str], is_relinked: bool
) -> dict[str, list[str]]:
    """Dotted names by where they come from: builtin, frozen, compiled, bytecode, standard, standin, extension."""
    modules: dict[str, set[str]] = {"builtin": set(contents.CORE_MODULES)}
    modules["frozen"] = set(contents.FROZEN_MODULES) | inside
    modules["builtin"] |= set(contents.BUILTIN_MODULES if is_relinked else sys.builtin_module_names)
    modules["compiled"] = set(package.group)
    for name, file in files.items():
        if file.kind in ("bytecode", "standard", "standin", "extension", "compiled") and name.startswith(contents.LIB):
            relative = name.removeprefix(contents.LIB + "/")
            folder, _, base = relative.rpartition("/")
            module = f"{folder}/{base.partition('.')[0]}".strip("/").replace("/", ".").removesuffix(".__init__")
            modules.setdefault(file.kind, set()).add(module)
    modules["compiled"].discard(forms.GROUP_LIBRARY)
    return {kind: sorted(names) for kind, names in sorted(modules.items())}


def check_compiled(package: assemble.Package, files: assemble.Files) -> list[str]:
    """A compiled bundle has the group's library, the root's shim, every kernel, and no source of any of them."""
    if package.form != "compiled":
        return []
    end = assemble.suffix()
    problems = [
        f"the compiled module {module} is missing."
        for module in (forms.GROUP_LIBRARY, forms.ENTRY, *package.native)
        if f"{contents.LIB}/{module.replace('.', '/')}{end}" not in files
    ]
    problems += [
        f"{module} is compiled and lies in the bundle as byte code too."
        for module in package.group
        if f"{contents.LIB}/{module.replace('.', '/')}.pyc" in files
    ]
    library = files.get(f"{contents.LIB}/{forms.GROUP_LIBRARY}{end}")
    if library is not None:
        problems += [
            f"{forms.GROUP_LIBRARY} does not contain {module}."
            for module in sorted(package.group)
            if b"init_" + module.replace(".", "___").encode() not in library.data
        ]
    return problems


def check_symbols(files: assemble.Files) -> list[str]:
    """Whatever an extension module wants of the interpreter, the shipped libpython offers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(files[f"{contents.LIB}/{contents.LIBPYTHON}"].data)
        offered = elf.defined(path)
        problems = []
        for name, file in sorted(files.items()):
            if file.kind in ("extension", "compiled"):
                path.write_bytes(file.data)
                wanted = {symbol for symbol in elf.undefined(path) if symbol.lstrip("_").startswith("Py")}
                problems += [f"{name} wants {symbol}, which libpython lacks." for symbol in sorted(wanted - offered)]
        return problems


def check_budgets(zipped_bytes: int, unzipped_bytes: int) -> list[str]:
    """The layer's size; see contents.py for the reason."""
    figures = (
        ("zipped", zipped_bytes, contents.ZIPPED_BYTES_MAX),
        ("unzipped", unzipped_bytes, contents.UNZIPPED_BYTES_MAX),
    )
    return [
        f"the layer is {size} bytes {name}, the budget is {limit}." for name, size, limit in figures if size > limit
    ]


def check_tree(layer: Path, listed: dict[str, dict[str, object]]) -> list[str]:
    """The tree on disk is exactly what bundle.json lists: names, content, executable bits."""
    problems = []
    present = {str(path.relative_to(layer)) for path in layer.rglob("*") if not path.is_dir()}
    problems += [f"unexpected file {name}." for name in sorted(present - set(listed))]
    problems += [f"missing file {name}." for name in sorted(set(listed) - present)]
    for name in sorted(present & set(listed)):
        path = layer / name
        if path.is_symlink() or hashlib.sha256(path.read_bytes()).hexdigest() != listed[name]["sha256"]:
            problems.append(f"{name} is not the file that was built.")
        elif stat.S_IMODE(path.stat().st_mode) != int(str(listed[name]["mode"]), 8):
            problems.append(f"{name} has mode {stat.S_IMODE(path.stat().st_mode):o}, not {listed[name]['mode']}.")
    return problems


def main() -> None:
    record = json.loads((forms.ROOT / "dist" / "bundle.json").read_text())
    problems = check_tree(forms.ROOT / "dist" / "layer", record["files"])
    if record["is_release"]:
        problems += check_budgets(record["zipped_bytes"], record["unzipped_bytes"])
    if problems:
        sys.exit("\n".join(f"bundle: {problem}" for problem in problems))
    print(f"bundle: {len(record['files'])} files as built, {record['form']}, version {record['version']}")


if __name__ == "__main__":
    main()
