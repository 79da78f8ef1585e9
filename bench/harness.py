"""What every figure shares: the measurement, its budget, the table and the gate.

A figure is one file in this folder with a first docstring line that says what it measures, and

    def measure(bench: Bench) -> Iterator[Measurement]

It checks its own result: a benchmark of wrong answers is worth nothing. `STEADY = True` in the file says that all its
figures repeat on a busy machine (counts, sizes, memory, ratios measured side by side): only those may be gates.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "bench"
BUDGETS = ROOT / "bench" / "budgets.toml"


class Unavailable(Exception):
    """The figure cannot be taken on this machine; the text says why. Never an excuse for a failure."""


class BudgetError(Exception):
    """budgets.toml is wrong; the text names the entry."""


@dataclass(frozen=True)
class Measurement:
    """One figure: `<file>.<name>` is its key in budgets.toml. Lower is better unless `higher_is_better`."""

    name: str
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Budget:
    """The bound of one figure: `max` or `min` fails the gate, `target` is what we aim at, `why` is the reason."""

    why: str
    max: float | None = None
    min: float | None = None
    target: float | None = None

    def verdict(self, value: float) -> str:
        """`over` (gate fails), `met` (within the bound), or `target` (also as good as we want)."""
        if self.max is not None and value > self.max:
            return "over"
        if self.min is not None and value < self.min:
            return "over"
        if self.target is None:
            return "met"
        reached = value <= self.target if self.max is not None else value >= self.target
        return "target" if reached else "met"


def load_budgets(path: Path = BUDGETS) -> dict[str, Budget]:
    """Read budgets.toml. Keys are `<file>.<figure>`.

    Raises:
        BudgetError: An entry has no reason, neither bound or both, or a key that is not known.
    """
    budgets = {}
    for file, figures in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for name, entry in figures.items():
            key = f"{file}.{name}"
            unknown = set(entry) - {"why", "max", "min", "target"}
            if unknown:
                raise BudgetError(f"{key}: unknown key {sorted(unknown)[0]!r}")
            if len(str(entry.get("why", "")).split()) < 3:
                raise BudgetError(f"{key}: say why in a sentence")
            if ("max" in entry) == ("min" in entry):
                raise BudgetError(f"{key}: give either max or min")
            budgets[key] = Budget(**entry)
    return budgets


@dataclass
class Result:
    """Everything one file gave: its measurements, or why there are none."""

    file: str
    title: str
    measurements: list[Measurement] = field(default_factory=list)
    skipped: str = ""
    failed: str = ""
    seconds: float = 0.0


@dataclass
class Bench:
    """What a figure is told: how long it may take, and where to leave files."""

    quick: bool = False
    out: Path = OUT

    def rounds(self, usual: int) -> int:
        """How often to repeat: `usual`, or a third of it in a quick run, at least 3."""
        return max(3, usual // 3) if self.quick else usual


def number(value: float) -> str:
    """A figure for people: four significant digits, thousands separated."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def table(results: list[Result], budgets: dict[str, Budget]) -> str:
    """Every figure in columns: name, value, bound, target, verdict, note."""
    lines = []
    for result in results:
        lines += ["", f"{result.file}: {result.title}  ({result.seconds:.1f} s)"]
        if result.skipped:
            lines.append(f"  skipped: {result.skipped}")
        if result.failed:
            lines.append(f"  FAILED: {result.failed}")
        for item in result.measurements:
            budget = budgets.get(f"{result.file}.{item.name}")
            bound = target = verdict = ""
            if budget is not None:
                limit = budget.max if budget.max is not None else budget.min
                assert limit is not None
                bound = ("<= " if budget.max is not None else ">= ") + number(limit)
                target = "" if budget.target is None else f"target {number(budget.target)}"
                verdict = {"over": "OVER", "met": "ok", "target": "ok *"}[budget.verdict(item.value)]
            value = f"{number(item.value)} {item.unit}"
            lines.append(f"  {item.name:34} {value:>18}  {bound:12} {target:14} {verdict:5} {item.note}".rstrip())
    return "\n".join(lines)


def violations(results: list[Result], budgets: dict[str, Budget]) -> list[str]:
    """What makes a gate fail: a bound passed, a figure that failed, a budget whose figure is gone."""
    found = {f"{result.file}.{item.name}": item for result in results for item in result.measurements}
    texts = [f"{result.file}: {result.failed}" for result in results if result.failed]
    for key, budget in budgets.items():
        file = key.split(".")[0]
        if file not in {result.file for result in results if not result.skipped and not result.failed}:
            continue
        if key not in found:
            texts.append(f"{key}: has a budget and was not measured")
        elif budget.verdict(found[key].value) == "over":
            limit = budget.max if budget.max is not None else budget.min
            assert limit is not None
            texts.append(f"{key}: {number(found[key].value)} {found[key].unit}, bound {number(limit)} ({budget.why})")
    return texts
