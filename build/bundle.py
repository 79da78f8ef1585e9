"""Make the Lambda layer: `python build/bundle.py`. `make bundle` calls this, and so does Dockerfile.build.

Results, all in dist/:

- `layer/`: what Lambda unpacks to /opt: `extensions/datadog-agent` (the launcher), `thimble/` (the frozen
  program with its own loader and libc in `thimble/lib/`), `datadog_wrapper`;
- `thimble-<architecture>.zip`: the same, byte for byte reproducible;
- `bundle.json`: every file with its size, packed size, kind and reason; module lists, versions, form;
- `bare/`: the least extension possible, frozen by the same means: what start-up is measured against.

Steps: the compiled form (build/compile.py); the program and the bare one by PyInstaller (thimble.spec); libpython
linked again (relink.py); the launcher; files by allow-list (assemble.py, contents.py), stripped; checks (check.py); the
zip. Quick when nothing changed: a hash over sources, tools and libraries is kept in bundle.json.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import archive
import assemble
import ca
import check
import contents
import elf
import forms
import launcher
import relink
import relink_openssl

OUT = forms.ROOT / "out" / "bundle"
DIST = forms.ROOT / "dist"
BUILD = forms.ROOT / "build"
ENTRY = forms.SOURCE / "thimble" / "boot.py"
SCRIPTS = {"layer": [BUILD / "start.py", ENTRY], "bare": [BUILD / "bare.py"]}
"""What each program runs, one after the other."""
TOOLS = ("pyinstaller", "mypy", "cython", "certifi", "orjson", "backports.zstd", "PyYAML", "deflate")


def say(text: str) -> None:
    print(f"bundle: {text}", flush=True)


def tool_versions() -> dict[str, str]:
    """Versions of what makes or enters the bundle; empty for what is not installed."""
    versions = {}
    for tool in TOOLS:
        try:
            versions[tool] = version(tool)
        except PackageNotFoundError:
            versions[tool] = ""
    return versions


def hash_files(paths: list[Path]) -> str:
    """Hash over names and contents."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"\0{path}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def libpython() -> Path:
    """The shared library of this interpreter. Raises BuildError when it was built without one."""
    name = str(sysconfig.get_config_var("INSTSONAME"))
    folders = [Path(str(sysconfig.get_config_var(key))) for key in ("LIBDIR", "LIBPL")]
    folders += [Path(str(sysconfig.get_config_var("LIBDIR"))) / str(sysconfig.get_config_var("MULTIARCH"))]
    for folder in folders:
        if name == contents.LIBPYTHON and (folder / name).exists():
            return folder / name
    raise forms.BuildError(
        f"this Python has no {contents.LIBPYTHON}; use one built with --enable-shared "
        "(Debian: apt install python3.11-dev libpython3.11; Amazon Linux: dnf install python3.11-devel)."
    )


def input_hash(form: str, folder: Path) -> str:
    """Hash over everything whose change means another bundle."""
    paths = [path for path in BUILD.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    paths += [path for path in (folder / "thimble").rglob("*") if path.suffix in (".py", ".so")]
    paths += [*folder.glob("*.so"), launcher.SOURCE, libpython(), ENTRY]
    if relink.available():
        paths.append(relink.archive())
    paths += relink_openssl.archives(assemble.extension_path("_ssl"))
    facts = [
        form,
        sys.version,
        sys.executable,
        *(f"{tool} {number}" for tool, number in tool_versions().items()),
        hash_files(paths),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def freeze(name: str) -> assemble.Files:
    """The program of one tree, by PyInstaller: the bootloader with our scripts."""
    work = OUT / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    environment = dict(os.environ)
    environment |= {
        "THIMBLE_BUNDLE_SCRIPTS": os.pathsep.join(map(str, SCRIPTS[name])),
        "THIMBLE_BUNDLE_NAME": contents.PROGRAM,
        "PYINSTALLER_CONFIG_DIR": str(OUT / "pyinstaller"),
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "315532800",
    }
    command = [sys.executable, "-m", "PyInstaller", str(BUILD / "thimble.spec"), "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(work / "dist"), "--workpath", str(work / "work")]
    result = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise forms.BuildError(f"PyInstaller failed:\n{result.stdout}{result.stderr}")
    program = work / "dist" / contents.PROGRAM / contents.PROGRAM
    why = "the bootloader with our scripts"
    return {f"{contents.PROGRAM}/{contents.PROGRAM}": assemble.File(program.read_bytes(), "program", why, 0o755)}


def interpreter_files(name: str, inside: dict[str, Path], imported: set[str]) -> assemble.Files:
    """What every frozen program needs: launcher, program, libpython, and interpreted modules of others.

    Args:
        name: `layer` or `bare`.
        inside: Modules to put into libpython, where it can be linked again.
        imported: Names that the program imports.
    """
    files = freeze(name)
    is_relinked = relink.available()
    if is_relinked:
        zlib = elf.find_library("libz.so.1", libpython())
        python, why = relink.link_python(OUT / name / "python", zlib, inside), "the interpreter, linked again"
    else:
        python, why = libpython(), "the interpreter as it is"
    data = assemble.stripped(python)
    files[f"{contents.LIB}/{contents.LIBPYTHON}"] = assemble.File(data, "library", why)
    binary = launcher.build(OUT, contents.architecture())
    files[contents.LAUNCHER] = assemble.File(binary.read_bytes(), "launcher", "what Lambda starts", 0o755)
    return files | assemble.standard_files(is_relinked, imported)


def own_openssl() -> dict[str, Path]:
    """OpenSSL linked again, by library name; empty where its archives are missing."""
    module = assemble.extension_path("_ssl")
    found = relink_openssl.archives(module)
    if not found:
        say("libssl.a is missing (Debian: libssl-dev): OpenSSL stays as it is, 0.4 MB larger")
        return {}
    say("linking OpenSSL again from the distribution's objects")
    return relink_openssl.link(OUT / "openssl", module, found)


def layer_files(package: assemble.Package, inside: dict[str, Path]) -> assemble.Files:
    """Every file of the layer; `inside`: modules that go into libpython."""
    files = interpreter_files("layer", inside, package.imported)
    files |= package.files(inside) | assemble.standin_files(package, inside) | assemble.extension_files(package)
    files |= assemble.library_files(files, Path(sys.executable).resolve(), own_openssl())
    for name, pem in ca.certifi_roots().items():
        files[f"{contents.CERTIFICATES}/{name}"] = assemble.File(pem, "certificate", "trust root")
    wrapper = (BUILD / contents.WRAPPER).read_bytes()
    files[contents.WRAPPER] = assemble.File(wrapper, "script", "AWS_LAMBDA_EXEC_WRAPPER", 0o755)
    return files


def write_tree(target: Path, files: assemble.Files) -> None:
    """Write a tree beside `target` and put it in its place, so that no half-written layer is ever seen."""
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        path.chmod(file.mode)
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def is_current(stamp: str) -> bool:
    """Whether dist/ holds the result of the same inputs, untouched."""
    try:
        record = json.loads((DIST / "bundle.json").read_text())
    except (OSError, ValueError):
        return False
    archive_path = DIST / f"thimble-{contents.architecture()}.zip"
    if record.get("inputs") != stamp or not archive_path.exists() or not (DIST / "bare" / contents.LAUNCHER).exists():
        return False
    return not check.check_tree(DIST / "layer", record["files"])


def make(form: str, folder: Path, stamp: str) -> None:
    """Build everything in dist/. Raises BuildError, leaving what was there, when a check fails."""
    started = time.monotonic()
    is_relinked = relink.available()
    if not is_relinked:
        say(f"{relink.archive()} is missing (Debian: python3.11-dev): libpython stays as it is, larger and slower")
    say("freezing the program" + (", with libpython linked again" if is_relinked else ""))
    package = assemble.Package(form, folder, ENTRY)
    inside = assemble.modules_inside(package) if is_relinked else {}
    files = layer_files(package, inside)
    say("freezing the bare program")
    bare = interpreter_files("bare", {}, set())
    bare |= assemble.library_files(bare, Path(sys.executable).resolve(), {})
    modules = check.shipped_modules(package, files, set(inside), is_relinked)
    shipped = {name for names in modules.values() for name in names}
    problems = check.check_imports(package, shipped) + check.check_standard(modules, shipped)
    problems += check.check_compiled(package, files) + check.check_symbols(files)
    say(f"packing {len(files)} files")
    target = DIST / f"thimble-{contents.architecture()}.zip"
    packed_target = OUT / target.name
    packed = archive.write_zip(packed_target, {name: (file.data, file.mode) for name, file in files.items()})
    unzipped_bytes = sum(len(file.data) for file in files.values())
    is_release = is_relinked and bool(relink_openssl.archives(assemble.extension_path("_ssl")))
    breaches = check.check_budgets(packed_target.stat().st_size, unzipped_bytes)
    if is_release:
        problems += breaches
    else:
        for breach in breaches:
            say(f"{breach} Good for this machine, not for a release.")
    if problems:
        raise forms.BuildError("\n".join(["the bundle is not sound:", *problems]))
    (DIST / "bundle.json").unlink(missing_ok=True)
    write_tree(DIST / "layer", files)
    write_tree(DIST / "bare", bare)
    packed_target.replace(target)
    record = {
        "version": (version_of(folder)), "form": form, "architecture": contents.architecture(),
        "python": platform.python_version(), "is_release": is_release,
        "tools": tool_versions(),
        "zipped_bytes": target.stat().st_size, "unzipped_bytes": unzipped_bytes,
        "modules": modules, "inputs": stamp,
        "files": {
            name: {
                "bytes": len(file.data), "zipped_bytes": packed[name], "mode": f"{file.mode:o}", "kind": file.kind,
                "why": file.why, "sha256": hashlib.sha256(file.data).hexdigest(),
            }
            for name, file in sorted(files.items())
        },
    }  # fmt: skip
    (DIST / "bundle.json").write_text(json.dumps(record, indent=1) + "\n")
    report(record, time.monotonic() - started)


def version_of(folder: Path) -> str:
    """The version that the package in `folder` carries."""
    names: dict[str, str] = {}
    exec((folder / "thimble" / "version.py").read_text(), names)
    return names["VERSION"]


def report(record: dict[str, object], seconds: float) -> None:
    """Print what was built, biggest kinds first."""
    kinds: dict[str, list[int]] = {}
    for file in record["files"].values():
        sums = kinds.setdefault(file["kind"], [0, 0, 0])
        for index, value in enumerate((1, file["bytes"], file["zipped_bytes"])):
            sums[index] += value
    for kind, (count, size, zipped) in sorted(kinds.items(), key=lambda item: -item[1][2]):
        print(f"    {kind:<12} {count:>4} files {size / 1e6:>7.2f} MB  zipped {zipped / 1e6:>6.3f} MB")
    say(
        f"dist/layer ready in {seconds:.1f} s: {record['form']}, {record['unzipped_bytes'] / 1e6:.2f} MB, "
        f"zipped {record['zipped_bytes'] / 1e6:.2f} MB"
    )


def fix_hash_seed() -> None:
    """Start again with a fixed seed: the order of constant sets in byte code, and so the zip's bytes, depend on it."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})


def main() -> None:
    fix_hash_seed()
    parser = argparse.ArgumentParser(description="Make the Lambda layer in dist/.")
    parser.add_argument("--form", choices=forms.FORMS, default="compiled", help="which form to ship (default compiled)")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    DIST.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            folder = forms.SOURCE
            if arguments.form == "compiled":
                folder = forms.ROOT / "out" / "compiled"
                if subprocess.run([sys.executable, str(BUILD / "compile.py")], check=False).returncode != 0:
                    raise forms.BuildError("there is no compiled form to ship.")
            stamp = input_hash(arguments.form, folder)
            if not arguments.force and is_current(stamp):
                say("dist/layer is up to date")
                return
            make(arguments.form, folder, stamp)
        except forms.BuildError as error:
            sys.exit(f"bundle: {error}")


if __name__ == "__main__":
    main()
