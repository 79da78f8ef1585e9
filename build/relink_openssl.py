"""Our own OpenSSL library, from the distribution's own static archives.

Debian's `libssl-dev` carries `libssl.a` and `libcrypto.a`, the objects of its shared libraries. One library made of
what the interpreter's `_ssl` module reaches takes 4.0 MB instead of 5.4 (1.7 zipped instead of 2.1), and its 11,000
relocations are packed. It is called libcrypto.so.3; `_ssl` also names libssl.so.3, which is therefore there as an empty
shell with the right symbol version: the loader looks a symbol up by name and version in every library.

Where the archives are missing, the bundle takes both libraries as they are.

Source: ld(1), version scripts; OpenSSL 3.0.
"""

from __future__ import annotations

import re
from pathlib import Path

import elf
import relink

CRYPTO, SSL = "libcrypto.so.3", "libssl.so.3"
VERSION = re.compile(r"^\s*U\s+(\w+)@(OPENSSL_[\w.]+)$")


def archives(ssl_module: Path) -> list[Path]:
    """The static archives beside the shared library that `ssl_module` uses; empty when they are not installed."""
    folders = [elf.find_library(CRYPTO, ssl_module).resolve().parent]
    folders.append(Path("/usr") / folders[0].relative_to("/"))  # /lib is a link to /usr/lib on merged systems only
    for folder in folders:
        found = [folder / "libssl.a", folder / "libcrypto.a"]
        if all(path.exists() for path in found):
            return found
    return []


def wanted_symbols(ssl_module: Path) -> dict[str, list[str]]:
    """Symbol version to the names of it that the module takes from OpenSSL."""
    versions: dict[str, list[str]] = {}
    for line in elf.run(["nm", "-D", "--undefined-only", str(ssl_module)]).splitlines():
        if match := VERSION.match(line):
            versions.setdefault(match.group(2), []).append(match.group(1))
    return {version: sorted(names) for version, names in sorted(versions.items())}


def link(work: Path, ssl_module: Path, found: list[Path]) -> dict[str, Path]:
    """Link both libraries into `work`; returns name to file."""
    work.mkdir(parents=True, exist_ok=True)
    versions = wanted_symbols(ssl_module)
    nodes = [f"{version} {{ global: {'; '.join(names)}; }};" for version, names in versions.items()]
    script, shell_script = work / "exports.map", work / "shell.map"
    script.write_text("\n".join([*nodes, "HIDDEN { local: *; };"]) + "\n")
    shell_script.write_text("\n".join(f"{version} {{ }};" for version in versions) + "\n")
    roots = [f"-Wl,-u,{name}" for names in versions.values() for name in names]
    crypto, shell = work / CRYPTO, work / SSL
    elf.run(
        ["gcc", *relink.LINK_FLAGS, f"-Wl,-soname,{CRYPTO}", f"-Wl,--version-script={script}", "-o", str(crypto),
         *roots, *(str(elf.without_unwinding(path, work)) for path in found)]
    )  # fmt: skip
    source = work / "shell.c"
    source.write_text("/* no symbols, only their versions */\n")
    elf.run(
        ["gcc", *relink.LINK_FLAGS, "-nostdlib", f"-Wl,-soname,{SSL}", f"-Wl,--version-script={shell_script}", "-o",
         str(shell), str(source)]
    )  # fmt: skip
    return {CRYPTO: crypto, SSL: shell}
