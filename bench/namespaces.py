"""Namespaces for the figures: the extension's ports are fixed, a layer lies at /opt, and /proc shows few processes.

The process of the figures moves there itself, once; everything that it starts lives there too.

Source: unshare(2), mount(2), netdevice(7), user_namespaces(7).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness import Unavailable

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
OPT = "/opt"

ISOLATED = "THIMBLE_BENCH_ISOLATED"
"""Set in the environment of a run that has a process namespace of its own."""

_libc = ctypes.CDLL(None, use_errno=True)
_entered: list[bool] = []


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter() -> None:
    """Move this process into namespaces of its own, once; later calls do nothing.

    Raises:
        Unavailable: Not permitted here.
    """
    if _entered:
        return
    user, group = os.geteuid(), os.getegid()
    try:
        if user != 0:
            _check(_libc.unshare(CLONE_NEWUSER), "unshare the users")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare network and mounts")
        _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make the mounts private")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            request = struct.pack("16sh", b"lo", 0) + bytes(22)
            name, flags = struct.unpack_from("16sh", fcntl.ioctl(handle, SIOCGIFFLAGS, request))
            fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh", name, flags | IFF_UP) + bytes(22))
    except OSError as error:
        raise Unavailable(f"no namespaces of our own here ({error})") from error
    _entered.append(True)


def restart_isolated() -> None:
    """Replace this process by the same in a process namespace of its own, where that is permitted; else do nothing.

    The extension looks through all of /proc, as in a sandbox, where there are few processes; here it would pay for the
    whole machine.
    """
    if ISOLATED in os.environ or shutil.which("unshare") is None:
        return
    tool = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        tool += ["--user", "--map-root-user"]
    if subprocess.run([*tool, "true"], capture_output=True, check=False).returncode == 0:
        os.environ[ISOLATED] = "1"
        os.execvp(tool[0], [*tool, sys.executable, *sys.argv])


@contextmanager
def at_opt(folder: Path) -> Iterator[None]:
    """Show `folder` at /opt, for this process and what it starts, while the body runs."""
    if not Path(OPT).is_dir():
        raise Unavailable(f"there is no folder {OPT} to show a layer at")
    _check(_libc.mount(os.fsencode(folder), OPT.encode(), None, MS_BIND, None), f"bind {folder} over {OPT}")
    try:
        yield
    finally:
        _check(_libc.umount2(OPT.encode(), MNT_DETACH), f"unmount {OPT}")
