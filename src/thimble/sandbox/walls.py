"""Run a command of ours again behind walls: the layer at /opt, the code at /var/task, processes of its own.

Client libraries look for /opt/extensions/datadog-agent, and the extension searches /proc, so a run behind walls is what
Lambda is like. Its network is the machine's, unless it is asked to have its own.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

from thimble.sandbox.isolation import Isolation

MARK: Final = "THIMBLE_INSIDE"
"""Variable that tells the command that it runs behind walls, and what it finds there; a `Place` as JSON."""

LAYER_PLACE: Final = Path("/opt")
TASK_PLACE: Final = Path("/var/task")


@dataclass(frozen=True)
class Place:
    """What there is behind the walls.

    Attributes:
        layer_text: What the console calls the extension in /opt; empty when /opt is the machine's.
        name: Function name, since the folder's own is hidden; empty when /var/task is the machine's.
    """

    layer_text: str
    name: str


def inside() -> Place | None:
    """Return the place behind the walls, `None` when this process stands outside."""
    text = os.environ.get(MARK)
    return Place(**json.loads(text)) if text else None


def go_inside(
    arguments: list[str], *, layer: Path | None, layer_text: str, root: Path, name: str, has_own_network: bool
) -> NoReturn:
    """Replace this process by the same command behind walls.

    Args:
        arguments: Of the command line, without the program.
        layer: What to show at /opt; `None` leaves the machine's. So does a layer that would hide our own files.
        layer_text: What the console calls the extension.
        root: What to show at /var/task.
        name: Function name.
        has_own_network: A network with nothing but loopback.
    """
    ours = (Path(sys.executable), Path(__file__).resolve(), root.resolve(), Path.cwd())
    if any(path.is_relative_to(LAYER_PLACE) for path in ours):
        layer = None
    is_root_hidden = any(path.is_relative_to(TASK_PLACE) for path in ours)
    place = Place(layer_text if layer else "", "" if is_root_hidden else name)
    isolation = Isolation(layer=layer, task=None if is_root_hidden else root, has_own_network=has_own_network)
    command = isolation.command([sys.executable, "-m", "thimble.cli", *arguments])
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, {**os.environ, MARK: json.dumps(asdict(place))})


def note(reason: str) -> str:
    """What the heading says when there are no walls."""
    return f"No walls here ({reason}): the function and the extension see this machine's /opt and processes."
