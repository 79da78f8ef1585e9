"""The estimated cost: the specification's examples, and thirty reports against exact arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest

from tests.core.lifecycle.life import Life
from thimble.core.lifecycle.estimated_cost import UNKNOWN_PRICE, estimated_cost, usd_per_gb_second

PRICES = {"x86_64": Decimal("0.0000166667"), "aarch64": Decimal("0.0000133334")}
BILLED_MS = (0, 1, 83, 250, 735, 4017, 59_999, 900_000)
MEMORY_MB = (128, 512, 1769, 3008, 10_240)
REPORTS = [(billed, memory) for billed in BILLED_MS for memory in MEMORY_MB][:30]


@pytest.mark.parametrize(
    ("billed_ms", "memory_mb", "x86_64", "aarch64"),
    [
        (83, 512, 8.91668e-07, 7.53336e-07),
        (1, 128, 2.02083e-07, 2.01667e-07),
        (250, 3008, 1.2439608e-05, 9.991716e-06),
        (4017, 1769, 0.000115858972, 9.2727455e-05),
        (900_000, 10_240, 0.1500005, 0.1200008),
        (0, 128, 2e-07, 2e-07),
    ],
)
def test_the_cost_of_the_specifications_examples(billed_ms: int, memory_mb: int, x86_64: float, aarch64: float) -> None:
    assert estimated_cost(billed_ms, memory_mb, usd_per_gb_second("x86_64")) == x86_64
    assert estimated_cost(billed_ms, memory_mb, usd_per_gb_second("aarch64")) == aarch64
    assert estimated_cost(billed_ms, memory_mb, usd_per_gb_second("arm64")) == aarch64


@pytest.mark.parametrize("machine", PRICES)
def test_the_cost_of_thirty_reports_is_that_of_the_price_list_to_the_last_rounded_digit(machine: str) -> None:
    assert len(REPORTS) == 30
    life = Life(machine=machine)
    expected = []
    for number, (billed_ms, memory_mb) in enumerate(REPORTS):
        life.invoke(f"r{number}", 300 + number)
        life.report(f"r{number}", 400 + number, billedDurationMs=billed_ms, memorySizeMB=memory_mb, maxMemoryUsedMB=1)
        gb_seconds = Decimal(billed_ms) / 1000 * Decimal(memory_mb) / 1024
        cost = Decimal("0.0000002") + gb_seconds * PRICES[machine]
        expected.append(float(cost.quantize(Decimal("1e-12"), ROUND_HALF_UP)))
    costs = [value for _, value, _, _ in life.of("estimated_cost")]
    assert costs == pytest.approx(expected, abs=1.0000001e-12, rel=0)
    assert sum(cost == want for cost, want in zip(costs, expected, strict=True)) >= 28


def test_an_unknown_machine_has_no_price() -> None:
    assert usd_per_gb_second("riscv64") == UNKNOWN_PRICE
    assert estimated_cost(1000, 1024, UNKNOWN_PRICE) == 0.0
