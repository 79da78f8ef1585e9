"""The benchmark harness: a gate that cannot fail is no gate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import cgroups, processes, run, side_by_side
from bench.harness import (
    Budget,
    BudgetError,
    Measurement,
    Result,
    Unavailable,
    load_budgets,
    number,
    table,
    violations,
)
from tests.helpers.tools import need


def budgets_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "budgets.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_budgets_of_this_project_are_valid_and_belong_to_figures() -> None:
    files = {key.split(".")[0] for key in load_budgets()}
    assert files <= set(run.figures())


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("max = 1\nwhy = 'short'", "say why"),
        ("max = 1", "say why"),
        ("why = 'because it has to'", "either max or min"),
        ("max = 1\nmin = 0\nwhy = 'because it has to'", "either max or min"),
        ("maximum = 1\nwhy = 'because it has to'", "unknown key 'maximum'"),
    ],
)
def test_a_budget_needs_one_bound_and_a_reason(tmp_path: Path, entry: str, complaint: str) -> None:
    with pytest.raises(BudgetError, match=complaint):
        load_budgets(budgets_file(tmp_path, f"[size.bytes]\n{entry}\n"))


@pytest.mark.parametrize(
    ("budget", "value", "verdict"),
    [
        (Budget("r", max=10, target=5), 10.01, "over"),
        (Budget("r", max=10, target=5), 10, "met"),
        (Budget("r", max=10, target=5), 5, "target"),
        (Budget("r", max=10), 1, "met"),
        (Budget("r", min=10, target=20), 9.99, "over"),
        (Budget("r", min=10, target=20), 10, "met"),
        (Budget("r", min=10, target=20), 20, "target"),
    ],
)
def test_verdicts_at_the_bounds(budget: Budget, value: float, verdict: str) -> None:
    assert budget.verdict(value) == verdict


def test_a_figure_over_its_bound_fails_the_gate_and_says_why() -> None:
    results = [Result("size", "Sizes", [Measurement("zipped", 8_000_000, "B")])]
    budgets = {"size.zipped": Budget("Lambda unpacks every byte", max=7_500_000)}
    assert violations(results, budgets) == ["size.zipped: 8,000,000 B, bound 7,500,000 (Lambda unpacks every byte)"]
    assert "OVER" in table(results, budgets)


def test_a_budget_whose_figure_vanished_fails_the_gate() -> None:
    results = [Result("size", "Sizes", [Measurement("zipped", 1, "B")])]
    budgets = {"size.zipped": Budget("r", max=2), "size.unzipped": Budget("r", max=2)}
    assert violations(results, budgets) == ["size.unzipped: has a budget and was not measured"]


def test_a_figure_that_failed_fails_the_gate_and_a_skipped_one_does_not() -> None:
    budgets = {"a.x": Budget("r", max=2), "b.x": Budget("r", max=2)}
    failed = Result("a", "A", failed="RuntimeError: wrong answer")
    skipped = Result("b", "B", skipped="valgrind is not installed")
    assert violations([failed, skipped], budgets) == ["a: RuntimeError: wrong answer"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(7_500_000, "7,500,000"), (0.58612, "0.5861"), (12.345678, "12.35"), (1234.5, "1,234"), (0, "0")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_sides_take_turns_and_the_warm_up_does_not_count() -> None:
    calls: list[str] = []
    values = iter(range(1, 100))

    def ours() -> float:
        calls.append("ours")
        return next(values) * 2.0

    def base() -> float:
        calls.append("base")
        return float(next(values))

    comparison = side_by_side.compare(ours, base, rounds=2, warm_up=1)
    assert calls == ["ours", "base", "base", "ours", "ours", "base"]
    assert comparison.ours == [8.0, 10.0]
    assert comparison.base == [3.0, 6.0]
    assert comparison.ratio_of_minimums == 8.0 / 3.0


def test_memory_of_a_process_grows_by_what_it_touches() -> None:
    program = (
        "import sys\nprint(flush=True)\nsys.stdin.readline()\n"
        "b = bytearray(b'x') * (20 << 20)\nprint(flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        before = processes.memory_of(child.pid)
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()
        after = processes.memory_of(child.pid)
        peak = processes.peak_rss_kb_of(child.pid)
        child.stdin.close()
    assert 20_000 <= after.private_dirty_kb - before.private_dirty_kb <= 23_000
    assert peak >= after.rss_kb - 1024


def test_cpu_of_a_command_includes_its_children() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    shell = ["/bin/sh", "-c", f'"{sys.executable}" -I -S -c "{burn}"; exit 3']
    finished = processes.run_and_account(shell)
    assert finished.code == 3
    assert 0.2 <= finished.cpu_s < 2.0
    assert processes.cpu_seconds_of(os.getpid()) > 0.0


def test_instruction_counts_repeat() -> None:
    need("valgrind")
    command = ["/bin/true"]
    counts = [processes.instructions(command) for _ in range(2)]
    assert counts[0] > 10_000
    assert abs(counts[0] - counts[1]) < counts[0] * 0.01


def test_a_control_group_accounts_and_limits() -> None:
    burn = "import time\nwhile time.process_time() < 0.1: pass"
    try:
        with cgroups.Group(cpu_share=0.25) as group:
            with group.start([sys.executable, "-I", "-S", "-c", burn + "\nprint(time.monotonic())"]) as child:
                assert child.wait() == 0
            used_s = group.cpu_seconds()
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert 0.1 <= used_s < 1.0
    assert not list(cgroups.V2.glob(f"*/thimble-bench-{os.getpid()}-*"))


def test_a_gate_run_ends_with_one_when_a_bound_is_passed(tmp_path: Path) -> None:
    """The whole command, on a figure of its own: over the bound it must fail, within it succeed."""
    for bound, code in ((1, 1), (2, 0)):
        folder = tmp_path / str(bound) / "bench"
        folder.mkdir(parents=True)
        for name in ("__init__", "harness", "namespaces", "run"):
            (folder / f"{name}.py").write_text(Path(run.__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
        (folder / "two.py").write_text(
            '"""Always two."""\nfrom bench.harness import Measurement\nSTEADY = True\n\ndef measure(bench):\n'
            '    yield Measurement("value", 2, "x")\n'
        )
        (folder / "budgets.toml").write_text(f'[two.value]\nmax = {bound}\nwhy = "two is what it is"\n')
        result = subprocess.run(
            [sys.executable, str(folder / "run.py"), "--gates"], capture_output=True, text=True, check=False
        )
        assert result.returncode == code, result.stdout + result.stderr
        assert ("gate: two.value: 2 x, bound 1" in result.stdout) == (code == 1)
