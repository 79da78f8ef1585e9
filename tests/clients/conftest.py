"""Real client libraries in the local Lambda; each test in its own network namespace, as in tests/process."""

from __future__ import annotations

import pytest

from tests.process import namespaces
from tests.process.conftest import program, pytest_pyfunc_call

__all__ = ["program", "pytest_pyfunc_call"]

IS_PERMITTED = namespaces.is_permitted()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker("network_namespace")
            if not IS_PERMITTED:
                item.add_marker(pytest.mark.skip(reason="needs root, or `unshare --user --map-root-user`"))
