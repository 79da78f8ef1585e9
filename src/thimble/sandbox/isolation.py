"""Run a command line in namespaces of its own: network, mounts and processes.

The extension's ports are fixed (8124, 8125, 8126, 8999), it looks at `/opt` and `/var/task`, and it searches /proc: two
environments side by side, or one on a busy machine, need walls between them.

    python -m thimble.sandbox.isolation --layer dist/layer --task function/ -- python -m pytest ...

Works as root, or through user namespaces where the kernel allows them. Where neither is allowed, `problem` says why,
and `exclusive_ports` lets one environment run at a time instead.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from thimble.sandbox import mounts

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWPID = 0x2000_0000
_CLONE_NEWNET = 0x4000_0000
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_IFREQ = struct.Struct("16sH14x")

EXIT_NOT_ISOLATED = 125
"""Exit code when the walls could not be built; the command was not run."""
PORTS = (8124, 8125, 8126, 8999)
LOCK_FILE = "thimble-ports.lock"


class IsolationUnavailable(RuntimeError):
    """The kernel or the container refuses namespaces; the message says which step."""


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """What the command finds inside. Nothing on the machine itself is changed."""

    layer: Path | None = None
    """Folder that becomes `/opt` (it holds `extensions/`)."""
    task: Path | None = None
    """Folder that becomes `/var/task`."""
    tmp: Path | None = None
    """Folder that becomes `/tmp`; None keeps the machine's."""
    keep: Sequence[Path] = ()
    """Paths below `/tmp` that stay visible at their place when `tmp` covers it."""
    has_own_network: bool = True
    """A network with nothing but loopback. Without it the function can reach the world, and ports can collide."""
    has_own_processes: bool = True

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` inside, for `subprocess` with this package importable."""
        line = [sys.executable, "-m", "thimble.sandbox.isolation"]
        for name, path in (("layer", self.layer), ("task", self.task), ("tmp", self.tmp)):
            if path is not None:
                line += [f"--{name}", os.fspath(path.resolve())]
        for path in self.keep:
            line += ["--keep", os.fspath(path.resolve())]
        if not self.has_own_network:
            line.append("--shared-network")
        if not self.has_own_processes:
            line.append("--shared-processes")
        return [*line, "--", *command]


def run_isolated(isolation: Isolation, command: Sequence[str]) -> int:
    """Run `command` inside and return its exit code (128 plus the signal when one ended it).

    Changes this process for good (it enters the namespaces), so call it in a process made for that.

    Raises:
        IsolationUnavailable: A wall could not be built; nothing was run.
    """
    _enter(isolation)
    child = os.fork()
    if child == 0:
        _die_with_parent()
        try:
            _build_walls(isolation)
        except (OSError, IsolationUnavailable) as error:
            print(f"thimble: cannot isolate: {error}", file=sys.stderr)
            os._exit(EXIT_NOT_ISOLATED)
        os._exit(_as_init(command))
    return _wait_forwarding(child)


def _enter(isolation: Isolation) -> None:
    if os.geteuid() != 0:
        user, group = os.getuid(), os.getgid()
        _unshare(_CLONE_NEWUSER, "user")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _unshare(_CLONE_NEWNS, "mount")
    if isolation.has_own_network:
        _unshare(_CLONE_NEWNET, "network")
    if isolation.has_own_processes:
        _unshare(_CLONE_NEWPID, "process")


def _unshare(flag: int, name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flag) != 0:
        code = ctypes.get_errno()
        raise IsolationUnavailable(f"no {name} namespace: {os.strerror(code)}")


def _build_walls(isolation: Isolation) -> None:
    mounts.make_private()
    if isolation.has_own_processes:
        mounts.mount_proc()
    for source, target in ((isolation.layer, "/opt"), (isolation.task, "/var/task")):
        if source is not None:
            mounts.bind(source, Path(target), is_read_only=True)
    if isolation.tmp is not None:
        mounts.cover(isolation.tmp, Path("/tmp"), isolation.keep)  # noqa: S108
    if isolation.has_own_network:
        raise_loopback()


def raise_loopback() -> None:
    """Bring the interface `lo` up, without any tool."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = fcntl.ioctl(probe, _SIOCGIFFLAGS, _IFREQ.pack(b"lo", 0))
        flags = _IFREQ.unpack(request)[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, _IFREQ.pack(b"lo", flags | _IFF_UP))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _as_init(command: Sequence[str]) -> int:
    """Be process 1 of the namespace: run the command, reap orphans, return the command's code."""
    main = os.fork()
    if main == 0:
        try:
            os.execvp(command[0], list(command))
        except OSError as error:
            print(f"thimble: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
            os._exit(127)
    _forward_to(main)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == main:
            return _code_of(status)


def _wait_forwarding(child: int) -> int:
    _forward_to(child)
    _, status = os.waitpid(child, 0)
    return _code_of(status)


def _forward_to(child: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(child, number))


def _code_of(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def problem() -> str | None:
    """Why isolation does not work on this machine, or None when it does. Tries it in a child process."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        try:
            text = ""
            os.dup2(write_end, 2)
            if run_isolated(Isolation(), ["true"]) != 0:
                text = "the namespaces could be entered, but not set up"
        except (OSError, IsolationUnavailable) as error:
            text = str(error)
        os.write(write_end, text.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        text = pipe.read().decode(errors="replace").strip()
    os.waitpid(child, 0)
    return text or None


@contextmanager
def exclusive_ports(folder: Path) -> Iterator[None]:
    """Hold the machine's one place for an extension with fixed ports; waits for its turn.

    Args:
        folder: Where the lock file lies; all who compete must name the same.
    """
    with (folder / LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        wait_for_ports()
        yield


def wait_for_ports(ports: Sequence[int] | None = None, limit_s: float = 5.0) -> None:
    """Wait until every port (by default the extension's own) can be bound again.

    Raises:
        TimeoutError: One is still taken after `limit_s`; it is named.
    """
    limit = time.monotonic() + limit_s
    for port in PORTS if ports is None else ports:
        while not _is_bindable(port):
            if time.monotonic() > limit:
                raise TimeoutError(f"port {port} is still taken after {limit_s} s")
            time.sleep(0.01)


def _is_bindable(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="thimble.sandbox.isolation", description="Run a command behind walls.")
    parser.add_argument("--layer", type=Path, help="folder to show as /opt")
    parser.add_argument("--task", type=Path, help="folder to show as /var/task")
    parser.add_argument("--tmp", type=Path, help="folder to show as /tmp")
    parser.add_argument("--keep", type=Path, action="append", default=[], help="path below /tmp that stays visible")
    parser.add_argument("--shared-network", action="store_true", help="stay in the machine's network")
    parser.add_argument("--shared-processes", action="store_true", help="stay among the machine's processes")
    parser.add_argument("command", nargs="+", help="what to run, after --")
    given = parser.parse_args(arguments)
    isolation = Isolation(
        layer=given.layer,
        task=given.task,
        tmp=given.tmp,
        keep=given.keep,
        has_own_network=not given.shared_network,
        has_own_processes=not given.shared_processes,
    )
    try:
        return run_isolated(isolation, given.command)
    except (IsolationUnavailable, OSError) as error:
        print(f"thimble: cannot isolate: {error}", file=sys.stderr)
        return EXIT_NOT_ISOLATED


if __name__ == "__main__":
    sys.exit(main())
