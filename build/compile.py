"""Make the compiled form in out/compiled, ready to be put on PYTHONPATH: `python build/compile.py`.

Quick when nothing changed (a hash over sources, tools and flags). A changed module costs its own C compile; a changed
class costs more, since the group shares one header.

How the group is entered (mypyc 2.4, one group, not `separate`):

- The shared library `thimble__mypyc.cpython-311-<arch>-linux-gnu.so` is a top-level extension module. Importing it
  runs no module: it only stores, per member, a capsule `init_thimble___core___limits` with a C function.
- A shim, `thimble/core/limits.cpython-311-….so`, is what the import system finds for a member. It imports the
  library, takes the capsule of its member and calls it.
- A member that imports another member does not go through the import system: the generated code calls
  `CPyImport_ImportNative` with the sibling's C functions, sets `__file__`, `__spec__`, `sys.modules` and the parent's
  attribute itself. Only the parent *package* is imported in the usual way (its empty `__init__`).

So a process that enters through the shim of `thimble.app` needs no other shim file: the bundle ships the library, that
one shim and the `__init__` files. The copy in out/compiled keeps every shim, because a test may import any module
first. A module imported inside a function is also reached without its shim, if the importing module is compiled.
What mypyc's start imports by name, whatever the program does: `importlib.machinery` (for ModuleSpec),
`importlib._bootstrap` (module locks), and `typing` where a module names it outside `TYPE_CHECKING`.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import version
from pathlib import Path

import forms

TOOLS = ("mypy", "cython", "setuptools")


def input_files() -> list[Path]:
    """Everything whose change means another result."""
    files = [forms.ROOT / "setup.py", forms.ROOT / "pyproject.toml"]
    files += [forms.ROOT / "build" / name for name in ("compile.py", "forms.py", "extensions.py")]
    for folder in (forms.SOURCE / forms.GROUP, forms.NATIVE):
        files += [
            path
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".so", ".c")
        ]
    return sorted(files)


def input_hash(only: tuple[str, ...]) -> str:
    """Hash over the sources, the tools' versions and the interpreter."""
    digest = hashlib.sha256()
    tools = [f"{tool}={version(tool)}" for tool in TOOLS]
    digest.update("\n".join([sys.version, sys.executable, *tools, *only]).encode())
    for path in input_files():
        digest.update(f"\0{path.relative_to(forms.ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def expected_modules(only: tuple[str, ...]) -> list[str]:
    """Every module that must be an extension file in the result, the group's library included."""
    group = forms.group_modules(only, ()) if only else forms.group_modules()
    return [forms.GROUP_LIBRARY, *group, *forms.native_modules()]


def extension_suffix() -> str:
    """The suffix of extension files of this interpreter."""
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def synchronise(source: Path, target: Path) -> tuple[int, int]:
    """Make `target` equal to `source`: changed files by rename (running processes keep theirs), the rest removed."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    copied = removed = 0
    for relative in sorted(wanted):
        old, new = target / relative, source / relative
        data = new.read_bytes()
        if old.exists() and old.read_bytes() == data:
            continue
        old.parent.mkdir(parents=True, exist_ok=True)
        temporary = old.with_name(old.name + ".tmp")
        temporary.write_bytes(data)
        temporary.chmod(new.stat().st_mode & 0o777)
        temporary.replace(old)
        copied += 1
    if target.exists():
        for path in sorted(target.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(target) not in wanted:
                path.unlink()
                removed += 1
    return copied, removed


def remove_stale(library: Path, only: tuple[str, ...]) -> None:
    """Remove from the builder's folder what an earlier build left: sources now compiled, extensions now gone."""
    if not library.exists():
        return
    suffix = extension_suffix()
    extensions = set(expected_modules(only))
    for path in library.rglob("*"):
        if not path.is_file():
            continue
        relative = path.relative_to(library)
        name = str(relative)
        if name.endswith(suffix):
            if name[: -len(suffix)].replace("/", ".") not in extensions:
                path.unlink()
        elif not (forms.SOURCE / relative).exists() or name.removesuffix(".py").replace("/", ".") in extensions:
            path.unlink()


def run_setup(work: Path, only: tuple[str, ...]) -> None:
    """Run setup.py in a process of its own; its output is shown as it comes."""
    environment = dict(os.environ)
    environment[forms.FORM_VARIABLE] = "compiled"
    environment["THIMBLE_COMPILE_ONLY"] = ",".join(only)
    environment["THIMBLE_SETUP_OUT"] = str(work)
    command = [
        sys.executable, "setup.py", "-q", "build",
        "--build-lib", str(work / "lib"), "--build-temp", str(work / "temp"),
    ]  # fmt: skip
    result = subprocess.run(command, cwd=forms.ROOT, env=environment, check=False)
    if result.returncode != 0:
        raise forms.BuildError("the compile step failed; its messages stand above.")


def compile_package(out: Path, only: tuple[str, ...], force: bool) -> None:
    """Bring `out` up to date. Raises BuildError when the result would be incomplete."""
    stamp_file = out.with_name(out.name + ".stamp.json")
    stamp = input_hash(only)
    modules = expected_modules(only)
    suffix = extension_suffix()
    is_complete = stamp_file.exists() and not forms.missing_modules(out, modules, suffix)
    if is_complete and not force and json.loads(stamp_file.read_text())["hash"] == stamp:
        print(f"compile: {out} is up to date ({len(modules)} extension files)", flush=True)
        return
    started = time.monotonic()
    work = out.with_name(out.name + ".work")
    if force:
        shutil.rmtree(work, ignore_errors=True)
    remove_stale(work / "lib", only)
    run_setup(work, only)
    missing = forms.missing_modules(work / "lib", modules, suffix)
    if missing:
        raise forms.BuildError("the compiled form is incomplete: " + "; ".join(missing))
    stamp_file.unlink(missing_ok=True)
    copied, removed = synchronise(work / "lib", out)
    size = (out / (forms.GROUP_LIBRARY + suffix)).stat().st_size
    stamp_file.write_text(json.dumps({"hash": stamp, "modules": modules, "suffix": suffix}, indent=1))
    print(
        f"compile: {out} ready in {time.monotonic() - started:.1f} s: {len(modules)} extension files, "
        f"group {size / 1e6:.2f} MB, {copied} files new, {removed} removed",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the compiled form of the package.")
    default = forms.ROOT / "out" / "compiled"
    parser.add_argument("--out", type=Path, default=default, help="where (default out/compiled)")
    parser.add_argument("--only", default="", help="compile some folders alone, for example core,config; needs --out")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    arguments = parser.parse_args()
    only = tuple(name for name in arguments.only.split(",") if name)
    out = arguments.out.resolve()
    if only and out == default:
        parser.error("--only makes an incomplete form: give it a place of its own with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    (forms.ROOT / "out").mkdir(exist_ok=True)
    with (forms.ROOT / "out" / "compile.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("compile: waiting for another build", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            compile_package(out, only, arguments.force)
        except forms.BuildError as error:
            sys.exit(f"compile: {error}")


if __name__ == "__main__":
    main()
