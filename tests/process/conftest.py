"""Black-box tests of the extension as a process, whatever its form; each in its own network namespace.

Asynchronous test functions run in an event loop inside that namespace.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest

from . import namespaces
from .extension import Program, program_of

IS_PERMITTED = namespaces.is_permitted()


@pytest.fixture(scope="session")
def program(form: str, request: pytest.FixtureRequest) -> Program:
    """The extension of this run."""
    return program_of(form, request.config.getoption("--extension"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    with namespaces.network_namespace():
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker("network_namespace")
            if not IS_PERMITTED:
                item.add_marker(pytest.mark.skip(reason="needs root, or `unshare --user --map-root-user`"))
