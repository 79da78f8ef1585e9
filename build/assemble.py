"""Collect the files of the layer, each with its kind and reason, following contents.py.

Nothing is copied by pattern: a module is shipped because the package imports it, a library because a shipped file names
it, and both only if the allow-list knows them.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bytecode
import contents
import elf
import forms
import imports
import relink


@dataclass(frozen=True)
class File:
    """One file of the layer."""

    data: bytes
    kind: str
    why: str
    mode: int = 0o644


Files = dict[str, File]


def stripped(path: Path) -> bytes:
    """The content of a library or program without its symbol and debugging tables."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(path.read_bytes())
        elf.strip(copy)
        return copy.read_bytes()


def suffix() -> str:
    """The suffix of this interpreter's extension files."""
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def is_excluded(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in contents.EXCLUDED_MODULES)


def package_sources(form: str) -> dict[str, Path]:
    """Module to source (below src/) of everything in the package that may run in the Lambda sandbox."""
    sources: dict[str, Path] = {}
    for path in sorted((forms.SOURCE / forms.GROUP).rglob("*.py")):
        module = forms.module_name(path).removesuffix(".__init__")
        is_pure_twin = module.startswith("thimble.kernels.") and module.endswith("_py")
        if not is_excluded(module) and not (form == "compiled" and is_pure_twin):
            sources[module] = path
    return sources


class Package:
    """The modules to ship and what they import."""

    def __init__(self, form: str, folder: Path, entry: Path) -> None:
        """Args:
        form: `pure` or `compiled`.
        folder: The folder that holds the package in that form.
        entry: The script of stage 0, which lies inside the program.
        """
        self.form = form
        self.folder = folder
        self.sources = package_sources(form)
        self.group = set(forms.group_modules()) if form == "compiled" else set()
        self.native = forms.native_modules() if form == "compiled" else []
        self.imports_of = {module: imports.imported(path, module) for module, path in self.sources.items()}
        self.imports_of["__main__"] = imports.imported(entry, "thimble.boot")
        self.imported = set().union(*self.imports_of.values())

    def entered(self) -> list[str]:
        """Members of the group that interpreted code imports: only these need their shim."""
        asked = {name for module, names in self.imports_of.items() if module not in self.group for name in names}
        return sorted(self.group & (asked | {forms.ENTRY}))

    def interpreted(self) -> dict[str, Path]:
        """Module to source of what is shipped as byte code."""
        return {
            module: self.folder / source.relative_to(forms.SOURCE)
            for module, source in self.sources.items()
            if module not in self.group
        }

    def files(self, inside: dict[str, Path]) -> Files:
        """The package in the layer, without the modules that lie inside libpython."""
        result: Files = {}
        for module, source in self.interpreted().items():
            if module not in inside:
                name = str(source.relative_to(self.folder))
                result[f"{contents.LIB}/{name}c"] = File(
                    bytecode.pyc(source, name), "bytecode", "the package, interpreted"
                )
        if self.form == "compiled":
            extensions = [(forms.GROUP_LIBRARY, "the compiled group"), *((name, "a kernel") for name in self.native)]
            extensions += [(name, "entry into the compiled group") for name in self.entered()]
            for module, why in extensions:
                relative = Path(*module.split("."))
                file = relative.with_name(relative.name + suffix())
                result[f"{contents.LIB}/{file}"] = File(stripped(self.folder / file), "compiled", why)
        return result

    def extensions(self) -> list[contents.Extension]:
        """Third-party and standard extension modules that the package uses."""
        return [extension for extension in contents.EXTENSIONS if extension.trigger in self.imported]


def standin_modules() -> dict[str, Path]:
    """Dotted name to file of every stand-in."""
    modules = {}
    for path in sorted(relink.STANDINS.rglob("*.py")):
        relative = path.relative_to(relink.STANDINS)
        modules[".".join(relative.with_suffix("").parts).removesuffix(".__init__")] = path
    return modules


def standins_of(package: Package) -> dict[str, Path]:
    """Stand-ins for what the package imports, with the packages that they lie in."""
    modules = standin_modules()
    result = {}
    for module in sorted(package.imported & set(modules)):
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            result[name] = modules[name]
    return result


def standin_files(package: Package, inside: dict[str, Path]) -> Files:
    """Stand-ins in the layer, without those that lie inside libpython."""
    result: Files = {}
    for module, path in standins_of(package).items():
        if module not in inside and module not in contents.FROZEN_MODULES:
            name = str(path.relative_to(relink.STANDINS))
            result[f"{contents.LIB}/{name}c"] = File(bytecode.pyc(path, name), "standin", "see build/standins")
    return result


def modules_inside(package: Package) -> dict[str, Path]:
    """Interpreted modules that go into libpython: the empty `__init__` files, kernel choices, stand-ins.

    A frozen module opens no file: 18 of them save 1.2 ms of the start. The pure form stays in files, as the reader of a
    pure bundle expects.
    """
    return package.interpreted() | standins_of(package) if package.form == "compiled" else {}


def extension_path(module: str) -> Path:
    """The file that this interpreter imports an extension module from."""
    if "." in module:
        top = importlib.util.find_spec(module.partition(".")[0])
        if top is None or not top.submodule_search_locations:
            raise forms.BuildError(f"{module} is not installed in this environment.")
        # A namespace package lies in several places, setuptools' own copies among them.
        bases = [Path(place).parent for place in top.submodule_search_locations]
    else:
        bases = [Path(str(sysconfig.get_path("stdlib"))) / "lib-dynload"]
    relative = Path(*module.split("."))
    for base in bases:
        for end in (suffix(), ".abi3.so"):
            path = base / relative.with_name(relative.name + end)
            if path.exists():
                return path
    raise forms.BuildError(f"{module} has no extension file below {', '.join(map(str, bases))}.")


def extension_file(module: str, why: str) -> Files:
    """One extension module in the layer."""
    path = extension_path(module)
    name = f"{contents.LIB}/{Path(*module.split('.')).parent / path.name}"
    return {name: File(stripped(path), "extension", why)}


def extension_files(package: Package) -> Files:
    """Extension modules that the package uses."""
    result: Files = {}
    for extension in package.extensions():
        result |= extension_file(extension.module, extension.why)
    return result


def standard_files(is_relinked: bool, imported: set[str]) -> Files:
    """Modules of the standard library that are not inside libpython; `imported`: names that the program imports."""
    wanted: dict[str, str] = {}
    for trigger, modules in contents.OPTIONAL_MODULES.items():
        if trigger in imported:
            wanted |= dict.fromkeys(modules, f"needed by {trigger}")
    if not is_relinked:
        wanted |= {name: why for name, why in contents.FROZEN_MODULES.items() if not is_frozen(name)}
    result: Files = {}
    if not is_relinked:
        for module in sorted(set(contents.BUILTIN_MODULES) - set(sys.builtin_module_names)):
            result |= extension_file(module, contents.BUILTIN_MODULES[module])
    for module, why in wanted.items():
        path, base, _ = relink.standard_source(module)
        relative = path.relative_to(base)
        result[f"{contents.LIB}/{relative}c"] = File(bytecode.pyc(path, str(relative)), "standard", why)
    return result


def is_frozen(module: str) -> bool:
    """Whether the libpython of this interpreter carries `module` inside."""
    import _imp

    return bool(_imp.is_frozen(module)) or module.startswith("importlib._bootstrap")


def library_files(files: Files, origin: Path, own: dict[str, Path]) -> Files:
    """Shared libraries that `files` name, and those that these name, all by allow-list.

    Args:
        files: What is shipped otherwise.
        origin: A program of this machine whose loader finds libc and its companions.
        own: Libraries to take instead of the machine's, by name.
    """
    loader = contents.LOADERS[contents.architecture()]
    found: dict[str, Path] = {loader: elf.find_library(loader, origin)}
    waiting: list[Path] = []
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, file) in enumerate(sorted(files.items())):
            if file.data[:4] == b"\x7fELF":
                copy = Path(folder) / f"{index}-{Path(name).name}"
                copy.write_bytes(file.data)
                waiting.append(copy)
        present = {Path(name).name for name in files}
        while waiting:
            path = waiting.pop()
            for name in elf.needed(path):
                if name in found or name in present:
                    continue
                if name not in contents.LIBRARIES:
                    raise forms.BuildError(f"{path.name} needs {name}, which is not on the allow-list (contents.py).")
                found[name] = own.get(name) or elf.find_library(name, path)
                waiting.append(found[name])
    result: Files = {}
    for name, path in found.items():
        why = contents.LIBRARIES.get(name, "the dynamic loader")
        data = stripped(path)
        if name == loader:
            data = without_preloads(data)
        result[f"{contents.LIB}/{name}"] = File(data, "library", why, 0o755 if name == loader else 0o644)
    return result


def without_preloads(loader: bytes) -> bytes:
    """The dynamic loader without the path of the file that names libraries for every process of the image.

    There is no option for that; an empty path is looked up and not found. Images that preload an allocator into
    everything exist, and their library is made for another libc.
    """
    path = b"\0/etc/ld.so.preload\0"
    if loader.count(path) != 1:
        raise forms.BuildError("the dynamic loader does not hold the path /etc/ld.so.preload exactly once.")
    return loader.replace(path, bytes(len(path)))
