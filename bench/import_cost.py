"""Import of the compiled group against the same modules as byte code: CPU, private memory, size.

Design decision 6 rests on this figure: one group entered through one root loads cheaper than `.pyc` files. Both sides
import `thimble.app` and must end with the same modules of ours. The compiled side sees what the bundle ships: the
group's library, the shim of the root and the plain modules; it has no other shim, so entering through the root is
proven too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from bench.harness import ROOT, Bench, Measurement, Unavailable
from bench.processes import instructions
from bench.side_by_side import compare

STEADY = True

SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))
ENTRY = "thimble.app"

PROBE = """
import sys, time, posix
sys.path.insert(0, {path!r})
for name in {preload!r}:
    __import__(name)
def private_kb():
    fd = posix.open("/proc/self/smaps_rollup", posix.O_RDONLY)
    text = posix.read(fd, 4096).decode()
    posix.close(fd)
    return int(text.split("Private_Dirty:")[1].split()[0])
known = set(sys.modules)
private = private_kb()
begin = time.process_time_ns()
__import__({entry!r})
cpu_ns = time.process_time_ns() - begin
private = private_kb() - private
print(repr([cpu_ns, private, [name for name in sys.modules if name not in known]]).replace("'", '"'))
"""
"""What both sides load from elsewhere (orjson, `typing`, ...) is preloaded, so that the figure is about our code. What
only one side loads stays in it: mypyc's start wants `importlib.machinery`."""


def standard_library() -> list[str]:
    """The path of a bare start, so that both sides find the standard library and installed packages alike."""
    return [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_path("purelib")]


def prepare(out: Path) -> dict[str, Path]:
    """Lay out both sides below `out`: the sources, and the compiled form as shipped."""
    compiled = ROOT / "out" / "compiled"
    if not (compiled / f"{ENTRY.replace('.', '/')}{SUFFIX}").exists():
        raise Unavailable("out/compiled is not built: make compile")
    sides = {"pure": out / "import_pure", "compiled": out / "import_compiled"}
    for folder in sides.values():
        shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "sandbox", "cli.py", "_native")
    shutil.copytree(ROOT / "src" / "thimble", sides["pure"] / "thimble", ignore=ignored)
    shutil.copytree(compiled, sides["compiled"], ignore=shutil.ignore_patterns("__pycache__", "sandbox", "cli.py"))
    for path in (sides["compiled"] / "thimble").rglob(f"*{SUFFIX}"):
        relative = path.relative_to(sides["compiled"])
        name = ".".join(relative.parts).removesuffix(SUFFIX)
        if name != ENTRY and not name.startswith("thimble._native."):
            path.unlink()
    os.sync()
    return sides


def command(side: Path, preload: list[str], entry: str = ENTRY) -> list[str]:
    """The interpreter as the bundle runs it: isolated, without site, optimised.

    Byte code of everything, the standard library too, goes to a cache of its own, where the first sample puts it. Were
    a module compiled in the process that is measured, the memory that the compiler frees would hide what the import
    takes: once the ratio came out as 9.4 that way.
    """
    cache = f"pycache_prefix={side.parent / 'pycache'}"
    path_setup = f"import sys; sys.path[:] = {standard_library()!r}\n"
    probe = PROBE.format(path=str(side), entry=entry, preload=preload)
    return [sys.executable, "-I", "-S", "-OO", "-X", cache, "-c", path_setup + probe]


def sample(side: Path, preload: list[str]) -> tuple[int, int, list[str]]:
    """CPU in ns, private dirty KB, and modules loaded in order, of one fresh process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(command(side, preload), env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"import of {ENTRY} from {side.name} failed: {result.stderr.strip()[-800:]}")
    cpu_ns, private_kb, modules = json.loads(result.stdout)
    return cpu_ns, private_kb, modules


def ours(modules: list[str]) -> list[str]:
    """Modules of the package, kernels' twins aside: each form has its own."""
    return [
        name
        for name in modules
        if name.split(".")[0] == "thimble" and not name.startswith(("thimble.kernels", "thimble._native"))
    ]


def wanted_by_twins() -> set[str]:
    """What the pure twins of the kernels import: the kernels themselves may do without it."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "thimble" / "kernels").glob("*_py.py")]
    return {name for text in texts for name in re.findall(r"^from (thimble\.[\w.]+) import", text, re.MULTILINE)}


def size_of(folder: Path, patterns: tuple[str, ...]) -> int:
    """Bytes of the files below `folder` that match."""
    return sum(path.stat().st_size for pattern in patterns for path in folder.rglob(pattern))


def measure(bench: Bench) -> Iterator[Measurement]:
    sides = prepare(bench.out)
    _, _, pure_modules = sample(sides["pure"], [])
    _, _, compiled_modules = sample(sides["compiled"], [])
    difference = set(ours(pure_modules)) ^ set(ours(compiled_modules))
    if difference - wanted_by_twins():
        raise RuntimeError(f"the two forms load different modules: {sorted(difference)}; make compile?")
    shared = [name for name in pure_modules if name in compiled_modules and not name.startswith("thimble")]
    shared.sort(key=lambda name: name != "os")  # its helpers import it: they must not come first
    os.sync()  # byte code that the first samples wrote
    private: dict[str, list[int]] = {name: [] for name in sides}

    def cpu_ms(name: str) -> float:
        cpu_ns, private_kb, _ = sample(sides[name], shared)
        private[name].append(private_kb)
        return cpu_ns / 1e6

    comparison = compare(lambda: cpu_ms("compiled"), lambda: cpu_ms("pure"), bench.rounds(15))
    count = len(ours(pure_modules))
    compiled_kb, pure_kb = min(private["compiled"]), min(private["pure"])
    yield Measurement("modules", count, "modules", "of ours, loaded by the root")
    yield Measurement("cpu_ratio", comparison.ratio_of_minimums, "x", "compiled to byte code, CPU of the import")
    yield Measurement("cpu_compiled", comparison.ours_min, "ms", "minimum")
    yield Measurement("cpu_pure", comparison.base_min, "ms", "minimum")
    yield Measurement("private_ratio", compiled_kb / pure_kb, "x", "compiled to byte code, private dirty memory")
    yield Measurement("private_compiled", compiled_kb, "KB", "minimum")
    yield Measurement("private_pure", pure_kb, "KB", "minimum")
    yield Measurement("group_bytes", size_of(sides["compiled"], ("thimble__mypyc*.so",)), "B", "the group's library")
    extra = [name for name in compiled_modules if name not in pure_modules and not name.startswith("thimble")]
    yield Measurement("foreign_modules", len(shared), "modules", "loaded by both forms from elsewhere, preloaded here")
    yield Measurement("compiled_only_modules", len(extra), "modules", ", ".join(extra))
    try:
        nothing = {name: instructions(command(folder, shared, "sys")) for name, folder in sides.items()}
        counted = {name: instructions(command(folder, shared)) - nothing[name] for name, folder in sides.items()}
    except Unavailable:
        return
    ratio = counted["compiled"] / counted["pure"]
    yield Measurement("instruction_ratio", ratio, "x", "compiled to byte code, a start without the import subtracted")
    yield Measurement("instructions_compiled", counted["compiled"], "", "user instructions of the import")
