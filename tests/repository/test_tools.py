"""The helper that lets a test skip must not let one skip unseen."""

from __future__ import annotations

import pytest

from tests.helpers.tools import REQUIRED_VARIABLE, need


def test_a_tool_that_must_be_there_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED_VARIABLE, "strace no-such-tool")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool must be installed"):
        need("no-such-tool")


def test_a_tool_that_may_lack_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED_VARIABLE, "strace")
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed"):
        need("no-such-tool")


def test_a_tool_that_is_there_gives_its_path() -> None:
    assert need("sh").endswith("/sh")
