"""Run the pure extension with one of its functions replaced by one that raises.

    python saboteur.py thimble.shell.flusher:Flusher.flush RuntimeError
    python saboteur.py import:thimble.sinks.logs ImportError

Not a test: it stands in for `python -m thimble.boot`, so that the product needs no hooks.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import inspect
import sys
from types import ModuleType
from typing import Any, NoReturn

IMPORT = "import"


class BrokenModule(importlib.abc.MetaPathFinder):
    """Raises when one module is about to be imported."""

    def __init__(self, name: str, error: type[BaseException]) -> None:
        self._name = name
        self._error = error

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> None:
        if fullname == self._name:
            raise self._error(f"sabotage of {fullname}")


def raiser(original: Any, what: str, error: type[BaseException]) -> Any:
    """A function of the same kind that raises: when called, or, if it is asynchronous, when awaited."""

    async def raise_awaited(*args: object, **named: object) -> NoReturn:
        raise error(f"sabotage of {what}")

    def raise_called(*args: object, **named: object) -> NoReturn:
        raise error(f"sabotage of {what}")

    if isinstance(original, property):
        return property(raise_called)
    if isinstance(original, staticmethod):
        return staticmethod(raise_called)
    return raise_awaited if inspect.iscoroutinefunction(original) else raise_called


def sabotage(target: str, error: type[BaseException]) -> None:
    module_name, _, path = target.partition(":")
    if module_name == IMPORT:
        sys.meta_path.insert(0, BrokenModule(path, error))
        return
    holder: Any = importlib.import_module(module_name)
    *outer, name = path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    original = inspect.getattr_static(holder, name)
    setattr(holder, name, raiser(original, target, error))


def main() -> None:
    target, error = sys.argv[1:]
    from thimble import boot

    sabotage(target, getattr(builtins, error))
    boot.main()


if __name__ == "__main__":
    main()
