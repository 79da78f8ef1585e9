"""Take the figures: `make bench` (all, as a table) and `make gates` (the steady ones, against budgets.toml).

python bench/run.py [figure ...] [--gates] [--quick] [--json FILE] [--list]
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import harness, namespaces  # noqa: E402 (the folder above had to be put on the path)

NOT_FIGURES = {"__init__", "harness", "run"}


def figures() -> list[str]:
    """The names of all files that measure something: those that define `measure`."""
    return sorted(
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if path.stem not in NOT_FIGURES and "\ndef measure(" in path.read_text(encoding="utf-8")
    )


def title(module: ModuleType) -> str:
    """First line of the docstring."""
    return (module.__doc__ or "").strip().split("\n")[0]


def take(name: str, bench: harness.Bench) -> harness.Result:
    """Run one file of figures; a failure becomes part of the result, so that the others still run."""
    module = importlib.import_module(f"bench.{name}")
    result = harness.Result(name, title(module))
    started = time.monotonic()
    try:
        result.measurements = list(module.measure(bench))
    except harness.Unavailable as reason:
        result.skipped = str(reason)
    except Exception as error:
        result.failed = f"{type(error).__name__}: {error}"
    result.seconds = time.monotonic() - started
    return result


def as_json(results: list[harness.Result], budgets: dict[str, harness.Budget]) -> str:
    """The same for machines."""
    document = {
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "taken_at_s": int(time.time()),
        "figures": {
            f"{result.file}.{item.name}": {
                "value": item.value,
                "unit": item.unit,
                "note": item.note,
                "budget": vars(budgets[f"{result.file}.{item.name}"])
                if f"{result.file}.{item.name}" in budgets
                else None,
            }
            for result in results
            for item in result.measurements
        },
        "skipped": {result.file: result.skipped for result in results if result.skipped},
        "failed": {result.file: result.failed for result in results if result.failed},
    }
    return json.dumps(document, indent=1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the figures of this project.")
    parser.add_argument("names", nargs="*", metavar="figure", help="files to run (default: all)")
    parser.add_argument("--gates", action="store_true", help="steady figures only; fail when one passes its bound")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--list", action="store_true", help="name the figures and stop")
    arguments = parser.parse_args()
    known = figures()
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        parser.error(f"no figure {unknown[0]!r}; there are: {', '.join(known)}")
    names = arguments.names or known
    modules = {name: importlib.import_module(f"bench.{name}") for name in names}
    if arguments.gates:
        names = [name for name in names if getattr(modules[name], "STEADY", False)]
    if arguments.list:
        for name in names:
            print(
                f"{name:24} {'steady ' if getattr(modules[name], 'STEADY', False) else '       '}{title(modules[name])}"
            )
        return 0
    budgets = harness.load_budgets()
    bench = harness.Bench(quick=arguments.quick)
    bench.out.mkdir(parents=True, exist_ok=True)
    results = []
    for name in names:
        print(f"bench: {name}", file=sys.stderr, flush=True)
        results.append(take(name, bench))
    print(harness.table(results, budgets))
    if arguments.json:
        arguments.json.write_text(as_json(results, budgets), encoding="utf-8")
    wrong = harness.violations(results, budgets) if arguments.gates else [r.failed for r in results if r.failed]
    for text in wrong:
        print(f"gate: {text}")
    if arguments.gates and not wrong:
        print(f"\ngate: {sum(len(result.measurements) for result in results)} figures, none over its bound")
    return 1 if wrong else 0


if __name__ == "__main__":
    namespaces.restart_isolated()
    sys.exit(main())
