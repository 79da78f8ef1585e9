"""The launcher, built from source: what it executes, and what reaches the program."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import contents
import launcher
import pytest

REPORT = r"""
#include <stdio.h>
extern char **environ;
int main(int count, char **arguments) {
    for (int i = 0; i < count; i++) printf("argument %s\n", arguments[i]);
    for (char **variable = environ; *variable; variable++) printf("variable %s\n", *variable);
    return 0;
}
"""


@pytest.fixture(scope="session")
def binary(tmp_path_factory) -> Path:
    return launcher.build(tmp_path_factory.mktemp("launcher"), contents.architecture())


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Path:
    """A program that prints its arguments and variables, to lie where the loader is expected."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "report.c").write_text(REPORT)
    subprocess.run(["gcc", str(folder / "report.c"), "-o", str(folder / "report")], check=True)
    return folder / "report"


@pytest.fixture
def tree(tmp_path, binary, report) -> Path:
    """A layer whose loader is the reporting program."""
    loader = tmp_path / contents.LIB / contents.LOADERS[contents.architecture()]
    loader.parent.mkdir(parents=True)
    shutil.copy(report, loader)
    program = tmp_path / contents.PROGRAM / contents.PROGRAM
    shutil.copy(report, program)
    (tmp_path / "extensions").mkdir()
    shutil.copy(binary, tmp_path / contents.LAUNCHER)
    return tmp_path


def run(command: list[str], environ: dict[str, str], **options) -> tuple[list[str], dict[str, str]]:
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, **options)
    lines = [line.split(" ", 1) for line in result.stdout.splitlines()]
    arguments = [text for kind, text in lines if kind == "argument"]
    variables = [text for kind, text in lines if kind == "variable"]
    pairs = dict(text.split("=", 1) for text in variables)
    assert len(pairs) == len(variables), "a variable is given twice"
    return arguments, pairs


def expected_arguments(root: Path, *extra: str) -> list[str]:
    lib = root / contents.LIB
    loader = lib / contents.LOADERS[contents.architecture()]
    return [str(loader), "--inhibit-cache", "--library-path", str(lib), str(root / "thimble" / "thimble"), *extra]


def settings(root: Path) -> dict[str, str]:
    return {
        "LC_ALL": "C", "TZ": ":", "OPENSSL_CONF": "/dev/null", "_PYI_PARENT_PROCESS_LEVEL": "-1",
        "_PYI_LINUX_PROCESS_NAME": "thimble", "_PYI_ARCHIVE_FILE": str(root / "thimble" / "thimble"),
        "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
    }  # fmt: skip


def test_it_executes_the_bundle_beside_it_through_the_bundles_own_loader(tree):
    arguments, variables = run([str(tree / contents.LAUNCHER), "one", "two words"], {})
    assert arguments == expected_arguments(tree, "one", "two words")
    assert variables == settings(tree)


DROPPED = (
    "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_", "LC_CTYPE", "LC_ALL", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "PYTHONHOME",
    "PYTHONSTARTUP", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_PERTURB_", "_PYI_ARCHIVE_FILE", "_PYI_SPLASH_IPC",
    "PYINSTALLER_RESET_ENVIRONMENT", "OPENSSL_CONF", "OPENSSL_MODULES", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
KEPT = (
    "DD_API_KEY", "AWS_REGION", "AWS_LAMBDA_RUNTIME_API", "PATH", "HOME", "HTTPS_PROXY", "no_proxy", "LDX", "LANGUAGES",
    "LANGCHAIN", "GLIBC_TUNABLES2", "SSL_CERT", "TZDIR", "XLD_PRELOAD", "_X_AMZN_TRACE_ID", "_HANDLER", "_PY", "L",
    "MALLOC",
)  # fmt: skip


@pytest.mark.parametrize("name", DROPPED)
def test_a_variable_that_would_change_the_process_does_not_reach_it(tree, name):
    _, variables = run([str(tree / contents.LAUNCHER)], {name: "customer"})
    assert variables == settings(tree)


@pytest.mark.parametrize("name", KEPT)
def test_every_other_variable_reaches_it_unchanged(tree, name):
    _, variables = run([str(tree / contents.LAUNCHER)], {name: "a=b c"})
    assert variables == {**settings(tree), name: "a=b c"}


@pytest.mark.parametrize(
    "start", ["extensions/datadog-agent", "./extensions/datadog-agent", "extensions/./datadog-agent"]
)
def test_it_finds_the_bundle_from_a_relative_path(tree, start):
    arguments, _ = run([start], {}, cwd=tree)
    assert [Path(arguments[0]).resolve(), *arguments[1:3]] == [
        Path(expected_arguments(tree)[0]), "--inhibit-cache", "--library-path",
    ]  # fmt: skip
    assert Path(arguments[4]).is_absolute()
    assert Path(arguments[4]).resolve() == tree / "thimble" / "thimble"


def test_it_finds_the_bundle_when_started_from_its_own_folder(tree):
    arguments, _ = run(["./datadog-agent"], {}, cwd=tree / "extensions")
    assert Path(arguments[4]).resolve() == tree / "thimble" / "thimble"


def test_a_launcher_without_its_bundle_says_so_in_one_line_and_exits_127(tmp_path, binary):
    (tmp_path / "extensions").mkdir()
    alone = shutil.copy(binary, tmp_path / contents.LAUNCHER)
    if Path("/opt/thimble").exists():
        pytest.skip("this machine has a bundle in /opt")
    result = subprocess.run([alone], env={}, capture_output=True, text=True, check=False)
    assert result.returncode == 127
    assert result.stdout == ""
    loader = contents.LOADERS[contents.architecture()]
    assert result.stderr == (
        f"DD_EXTENSION | ERROR | Thimble cannot start: cannot execute /opt/thimble/lib/{loader}, errno 2.\n"
    )


def test_its_stack_does_not_grow_with_the_environment(tree):
    """30,000 variables pass through with 64 KB of stack above what the kernel itself put there."""
    many = {f"VARIABLE_{number}": "x" for number in range(30_000)}
    size = sum(len(name) + 12 for name in many)

    def limit() -> None:
        # The kernel lets arguments take a quarter of the limit; 4 times their size leaves it no more than it needs.
        resource.setrlimit(resource.RLIMIT_STACK, (4 * size, resource.getrlimit(resource.RLIMIT_STACK)[1]))

    _, variables = run([str(tree / contents.LAUNCHER)], many, preexec_fn=limit)
    assert variables == {**settings(tree), **many}


def test_it_is_static_small_and_has_no_writable_code(binary):
    headers = subprocess.run(["readelf", "-lW", str(binary)], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in headers
    assert "DYNAMIC" not in headers
    assert "RWE" not in headers
    assert os.path.getsize(binary) < 4096


OTHER = {
    "x86_64": ("arm64", "aarch64-linux-gnu-gcc", "qemu-aarch64-static"),
    "arm64": ("x86_64", "x86_64-linux-gnu-gcc", "qemu-x86_64-static"),
}


def test_it_compiles_and_runs_for_the_other_architecture(tmp_path):
    architecture, compiler, emulator = OTHER[contents.architecture()]
    if not shutil.which(compiler):
        pytest.skip(f"no cross compiler {compiler}")
    program = launcher.build(tmp_path, architecture, compiler)
    if not shutil.which(emulator):
        pytest.skip(f"no {emulator}")
    result = subprocess.run([emulator, str(program)], env={}, capture_output=True, text=True, check=False)
    assert result.returncode == 127
    assert f"/opt/thimble/lib/{contents.LOADERS[architecture]}" in result.stderr
