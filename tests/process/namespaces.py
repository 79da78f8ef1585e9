"""A network namespace for each test: the extension's ports are fixed, and every test wants them for itself.

`unshare(CLONE_NEWNET)` moves only the calling thread, and what it starts or opens from then on. So a test runs in its
own namespace without a process of its own, and servers, clients and child processes that it makes all live there.

Source: network_namespaces(7), setns(2), netdevice(7).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
CLONE_NEWNET = 0x4000_0000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def raise_loopback() -> None:
    """Bring `lo` up in the namespace of this thread."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh", b"lo", 0) + bytes(22)
        name, flags = struct.unpack_from("16sh", fcntl.ioctl(handle, SIOCGIFFLAGS, request))
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh", name, flags | IFF_UP) + bytes(22))


@contextmanager
def network_namespace() -> Iterator[None]:
    """Run the body in a new network namespace with nothing but the loopback interface.

    Raises:
        OSError: Not permitted. As an ordinary user run the suite under `unshare --user --map-root-user`.
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _check(_libc.unshare(CLONE_NEWNET), "unshare the network")
        try:
            raise_loopback()
            yield
        finally:
            _check(_libc.setns(before, CLONE_NEWNET), "return to the network namespace")
    finally:
        os.close(before)


def is_permitted() -> bool:
    """Whether this process may make namespaces."""
    try:
        with network_namespace():
            return True
    except OSError:
        return False


def mount_privately(binds: list[tuple[Path, str]]) -> None:
    """Give this process its own view of the file system, with folders bound over others.

    For a child between fork and exec: it must not be undone, and is not.

    Args:
        binds: `(folder, place)` each.
    """
    _check(_libc.unshare(CLONE_NEWNS), "unshare the mounts")
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make the mounts private")
    for folder, place in binds:
        _check(_libc.mount(os.fsencode(folder), os.fsencode(place), None, MS_BIND, None), f"bind {place}")
