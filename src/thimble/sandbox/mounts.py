"""Mounts inside a mount namespace of our own: bind a folder somewhere, even where no such folder exists."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
_MS_REMOUNT, _MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE = 0x20, 0x1000, 0x2000, 0x4000, 0x40000


def _mount(source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
    """Call mount(2).

    Raises:
        OSError: With the target named.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode() or None
    )
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot mount {target}: {os.strerror(code)}")


def make_private() -> None:
    """Keep what follows inside this namespace."""
    _mount("none", Path("/"), "", _MS_REC | _MS_PRIVATE)


def mount_proc() -> None:
    """Show the processes of the present process namespace."""
    _mount("proc", Path("/proc"), "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def bind(source: Path, target: Path, *, is_read_only: bool = False) -> None:
    """Show the folder `source` at `target`, whose parent must exist."""
    if not target.is_dir():
        _rebuild_parent(target)
    _mount(os.fspath(source), target, "", _MS_BIND | _MS_REC)
    if is_read_only:
        # Flags that the mount below has locked (user namespaces) must be repeated, so ask which they are.
        locked = os.statvfs(target).f_flag & (_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        _mount("none", target, "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | locked)


def cover(source: Path, target: Path, keep: Sequence[Path]) -> None:
    """Show `source` at `target`, but leave the paths `keep` below it visible."""
    descriptors = [(path, os.open(path, os.O_PATH)) for path in keep if path.is_relative_to(target)]
    bind(source, target)
    for path, descriptor in descriptors:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        _mount(f"/proc/self/fd/{descriptor}", path, "", _MS_BIND | _MS_REC)
        os.close(descriptor)


def _rebuild_parent(target: Path) -> None:
    """Give `target` a place without touching the machine.

    Its parent is replaced by a memory file system that holds the same entries, bound one by one, and the new folder.
    """
    parent = target.parent
    if parent == Path("/"):
        raise OSError(f"{target} does not exist, and the root folder cannot be rebuilt")
    with tempfile.TemporaryDirectory() as place_name:
        place = Path(place_name)
        _mount("tmpfs", place, "tmpfs", 0, "mode=755")
        for entry in parent.iterdir():
            copy = place / entry.name
            if entry.is_symlink():
                copy.symlink_to(entry.readlink())
                continue
            if entry.is_dir():
                copy.mkdir()
            else:
                copy.touch()
            _mount(os.fspath(entry), copy, "", _MS_BIND | _MS_REC)
        (place / target.name).mkdir()
        _mount(os.fspath(place), parent, "", _MS_BIND | _MS_REC)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.umount2(os.fsencode(place), 2)
