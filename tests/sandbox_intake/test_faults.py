"""The table of misbehaviours, without a server."""

from __future__ import annotations

import pytest

from thimble.sandbox.intake_faults import SCRIPT_MAX, Faults


def test_a_fresh_intake_is_well() -> None:
    faults = Faults()
    assert faults.next_behaviour("logs") is None
    assert faults.latency_ms("logs") == 0.0


def test_what_is_set_for_one_product_goes_before_what_is_set_for_all() -> None:
    faults = Faults()
    faults.always("all", 500)
    faults.script("logs", "503", "reset")
    faults.slow("all", 10)
    faults.slow("logs", 20)
    assert [faults.next_behaviour("logs") for _ in range(3)] == [503, "reset", 500]
    assert faults.next_behaviour("traces") == 500
    assert (faults.latency_ms("logs"), faults.latency_ms("traces")) == (20, 10)


@pytest.mark.parametrize("behaviour", [199, 600, "explode", "", True, -1])
def test_a_behaviour_that_is_none_is_refused(behaviour: int | str) -> None:
    with pytest.raises(ValueError, match="no behaviour"):
        Faults().script("logs", behaviour)


def test_an_unknown_product_is_refused_with_the_list_of_products() -> None:
    with pytest.raises(ValueError, match="'log' is no product: give one of all, logs, series"):
        Faults().always("log", 500)


def test_a_negative_latency_is_refused() -> None:
    with pytest.raises(ValueError, match="below 0"):
        Faults().slow("logs", -1)


def test_a_script_has_a_limit() -> None:
    faults = Faults()
    faults.script("logs", *[500] * SCRIPT_MAX)
    with pytest.raises(ValueError, match="more than"):
        faults.script("logs", 500)
