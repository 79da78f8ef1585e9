"""Which runtime the function has, told by the environment of its process or by the name of the operating system.

Source: specification of logs and shared tags, "Runtime detection".
"""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "unknown"

_VARIABLE: Final = "AWS_EXECUTION_ENV"
_PRETTY_NAME: Final = "PRETTY_NAME="


def runtime_of_environment(data: bytes) -> str | None:
    """Read a process's `environ`: `python3.13`, `Image`, ...; None when it is not UTF-8 or tells nothing."""
    if _VARIABLE.encode() not in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    for variable in text.split("\0"):
        if _VARIABLE in variable:
            return variable.rpartition("_")[2].replace('"', "")
    return None


def runtime_of_system(os_release: bytes) -> str:
    """Read `/etc/os-release`, for runtimes that are not told about: `provided.al2`, `provided.al2023`, `unknown`."""
    for line in os_release.decode("utf-8", "replace").split("\n"):
        if line.startswith(_PRETTY_NAME):
            name = line[len(_PRETTY_NAME) :].replace('"', "").strip()
            if name == "Amazon Linux 2":
                return "provided.al2"
            if name.startswith("Amazon Linux 2023"):
                return "provided.al2023"
            break
    return UNKNOWN
