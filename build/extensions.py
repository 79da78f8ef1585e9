"""Make the extension modules of the compiled form: one mypyc group, and Cython over `native/`.

Flags, measured in `bench/import_cost.py`: `-Os` and dead-section removal keep the mapped code small; hidden visibility
and `-Bsymbolic` spare the loader a symbol look-up per function, which is what makes loading the group cheaper than
byte code. No debug information and no unwind tables: nothing unwinds C frames here (no C++, no profiler), tracebacks
carry Python lines anyway, and the tables were 0.14 of 1.37 MB; packed relocations were 0.17 more.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import forms
from setuptools import Extension
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

WORK = forms.ROOT / "out" / "c"
OBJECT_CACHE = forms.ROOT / "out" / "cache" / "objects"
OBJECT_CACHE_BYTES_MAX = 256 << 20
"""Object files older than the newest 256 MB are removed after a build."""

COMPILE_FLAGS = [
    "-fvisibility=hidden", "-fno-semantic-interposition", "-ffunction-sections", "-fdata-sections",
    "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fcf-protection=none",
]  # fmt: skip
GENERATED_CODE = ["-Wno-sign-compare", "-Wno-discarded-qualifiers", "-Wno-unused-function"]
"""Warnings about C that Cython wrote and nobody can change; the others stay."""

LINK_FLAGS = ["-Wl,-Bsymbolic", "-Wl,--gc-sections", "-Wl,-s", "-Wl,-O1", "-Wl,--hash-style=gnu"]
PACKED_RELOCATIONS = "-Wl,-z,pack-relative-relocs"

MULTI_FILE = True
"""One C file per module: a change recompiles one of them, and two cores share the work.

Measured on 47 modules, 4,900 lines: 22 s against 46 s for one file and 47 s with link-time optimisation, at 3 % more
code; CPU and memory of the import were the same.
"""


def link_flags() -> list[str]:
    """The linker's flags for this machine: packed relocations need a glibc of 2.36 or later to load them."""
    name, _, text = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    libc = tuple(int(part) for part in text.split(".")) if name == "glibc" else ()
    return LINK_FLAGS + ([PACKED_RELOCATIONS] if libc >= (2, 36) else [])


def group_extensions(files: list[Path]) -> list[Extension]:
    """Translate the group to C and answer its extensions: the shared library and one shim per module.

    mypyc prints type errors itself, in full, and ends the process.
    """
    from mypyc.build import mypycify  # a pure build has no mypy

    os.chdir(forms.ROOT)
    print(f"compile: mypyc translates {len(files)} modules to C", flush=True)
    extensions = mypycify(
        ["--config-file", "pyproject.toml", *(str(path.relative_to(forms.ROOT)) for path in files)],
        opt_level="s",
        debug_level="0",
        multi_file=MULTI_FILE,
        group_name=forms.GROUP,
        target_dir=str(WORK.relative_to(forms.ROOT)),
    )
    for extension in extensions:
        extension.extra_compile_args += COMPILE_FLAGS
        extension.extra_link_args += link_flags()
    return list(extensions)


def native_extensions(files: list[Path]) -> list[Extension]:
    """Translate every `.pyx` to C. Speed over size: `-O3`, the loops are short."""
    if not files:
        return []
    from Cython.Build import cythonize  # a pure build has no Cython

    print(f"compile: Cython translates {len(files)} kernels to C", flush=True)
    extensions = [
        Extension(
            forms.native_module(path),
            [str(path.relative_to(forms.ROOT))],
            # No fused multiply-add, which arm64 has: sums would differ from the pure form's in the last bit.
            extra_compile_args=["-O3", "-g0", "-ffp-contract=off", *GENERATED_CODE, *COMPILE_FLAGS],
            extra_link_args=link_flags(),
        )
        for path in files
    ]
    result = cythonize(
        extensions,
        build_dir=str((WORK / "cython").relative_to(forms.ROOT)),
        include_path=[str(forms.NATIVE)],
        compiler_directives={"language_level": 3},
        quiet=True,
    )
    return list(result)


def compiled_extensions(
    folders: tuple[str, ...] = forms.FOLDERS, roots: tuple[str, ...] = forms.ROOTS
) -> list[Extension]:
    """Every extension module of the compiled form."""
    return group_extensions(forms.group_files(folders, roots)) + native_extensions(forms.native_files())


class CachedBuildExt(build_ext):
    """Compile on every core, and take an object file from the cache when the preprocessed source is the same.

    The key is the text after the preprocessor, the command and the compiler's version: headers are thus part of it.
    """

    def build_extensions(self) -> None:
        compiler: Any = self.compiler
        version = subprocess.run([*compiler.compiler_so[:1], "--version"], capture_output=True, check=True).stdout
        workers = os.cpu_count() or 1
        reused = 0

        def compile_sources(
            sources: list[str],
            output_dir: str | None = None,
            macros: Any = None,
            include_dirs: Any = None,
            debug: Any = 0,
            extra_preargs: Any = None,
            extra_postargs: Any = None,
            depends: Any = None,
        ) -> list[str]:
            macros, objects, extra, pp_opts, build = compiler._setup_compile(
                output_dir, macros, include_dirs, sources, depends, extra_postargs
            )
            command = [*compiler.compiler_so, *compiler._get_cc_args(pp_opts, debug, extra_preargs)]

            def compile_one(target: str) -> bool:
                return compile_cached([*command, build[target][0], *extra], target, version)

            nonlocal reused
            with ThreadPoolExecutor(workers) as pool:
                reused += sum(pool.map(compile_one, objects))
            return list(objects)

        compiler.compile = compile_sources
        super().build_extensions()
        missing = forms.missing_modules(
            Path(self.build_lib),
            [extension.name for extension in self.extensions],
            str(self.get_ext_filename("x"))[1:],
        )
        if missing:
            raise forms.BuildError("the compiled form is incomplete: " + "; ".join(missing))
        print(f"compile: {len(self.extensions)} extension files, {reused} objects from the cache", flush=True)
        prune_cache()


def compile_cached(command: list[str], target: str, version: bytes) -> bool:
    """Compile one C file to `target`; answer whether the cache had it. gcc's messages go to the terminal whole."""
    text = subprocess.run([*command, "-E", "-P"], stdout=subprocess.PIPE, check=False)
    if text.returncode != 0:
        raise forms.BuildError(f"the preprocessor failed: {' '.join(command)}")
    digest = hashlib.sha256(version + "\0".join(command).encode() + b"\0" + text.stdout).hexdigest()
    cached = OBJECT_CACHE / f"{digest}.o"
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    if cached.exists():
        os.utime(cached)
        replace_by_copy(cached, Path(target))
        return True
    if subprocess.run([*command, "-c", "-o", target], check=False).returncode != 0:
        raise forms.BuildError(f"the C compiler failed: {' '.join(command)}")
    OBJECT_CACHE.mkdir(parents=True, exist_ok=True)
    replace_by_copy(Path(target), cached)
    return False


def replace_by_copy(source: Path, target: Path) -> None:
    """Copy a file so that whoever has the old one open keeps it."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    temporary.write_bytes(source.read_bytes())
    temporary.chmod(source.stat().st_mode & 0o777)
    temporary.replace(target)


def prune_cache() -> None:
    """Keep the newest objects up to OBJECT_CACHE_BYTES_MAX."""
    entries = sorted(OBJECT_CACHE.glob("*.o"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in entries:
        total += path.stat().st_size
        if total > OBJECT_CACHE_BYTES_MAX:
            path.unlink(missing_ok=True)


class CompiledBuildPy(build_py):
    """Copy the plain modules: not the sources of the compiled ones, and `twin` with its form written into it.

    `folders` and `roots` narrow the compile list for a partial build.
    """

    folders: tuple[str, ...] = forms.FOLDERS
    roots: tuple[str, ...] = forms.ROOTS

    def byte_compile(self, files: list[str]) -> None:
        """Nothing: whoever loads the files writes byte code, and the bundle makes its own."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        compiled = set(forms.group_modules(self.folders, self.roots))
        found = super().find_package_modules(package, package_dir)
        return [entry for entry in found if f"{entry[0]}.{entry[1]}" not in compiled]

    def build_module(self, module: str, module_file: str, package: Any) -> Any:
        result = super().build_module(module, module_file, package)
        if package == forms.GROUP and module == "twin":
            target = Path(self.get_module_outfile(self.build_lib, [package], module))
            text = Path(module_file).read_text(encoding="utf-8")
            if text.count(forms.TWIN_LINE_PURE + "\n") != 1:
                raise forms.BuildError(f"{module_file} must hold the line {forms.TWIN_LINE_PURE} once.")
            target.unlink(missing_ok=True)
            target.write_text(text.replace(forms.TWIN_LINE_PURE, forms.TWIN_LINE_COMPILED), encoding="utf-8")
        return result


def fail(error: forms.BuildError) -> None:
    """Print a build error as one sentence and end."""
    print(f"build: {error}", file=sys.stderr)
    raise SystemExit(1) from error
