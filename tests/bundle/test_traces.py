"""What the extension asks of the kernel: how often it is executed, and which files it touches."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import trustme

ALLOWED = ("/opt/", "/proc", "/var/task", "/tmp", "/sys/fs/cgroup")
ALLOWED_FILES = {
    "/etc/resolv.conf", "/etc/hosts",
    "/etc/os-release",  # which runtime it is, where no process of a known one is found (enhanced metrics)
    "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",  # the resolver of libc reads these
    "/opt", "/", "/dev/null",
}  # fmt: skip

FILE_CALL = re.compile(
    r'\b(?:open|openat|stat|lstat|newfstatat|statx|access|faccessat2?|readlink(?:at)?|execve)\((?:[^"]*)"([^"]*)"'
)


@pytest.fixture
def lines(play, tmp_path) -> list[str]:
    """System calls from the launcher's execution on, of a life with TLS and a name to resolve."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "leaf.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    trace = tmp_path / "trace"
    record = play(
        strace=trace,
        certificate=tmp_path / "leaf.pem",
        host="localhost",
        environ={"DD_TLS_CERT_FILE": str(tmp_path / "authority.pem")},
    )
    assert record["exit_code"] == 0, record
    assert len(record["intake"]) > 0
    text = trace.read_text().splitlines()
    begin = next(index for index, line in enumerate(text) if 'execve("/opt/extensions/datadog-agent"' in line)
    return text[begin:]


def test_it_is_executed_exactly_twice(lines):
    executed = [match.group(1) for line in lines if (match := re.search(r'\bexecve\("([^"]*)"', line))]
    assert [Path(name).name for name in executed] in (
        ["datadog-agent", "ld-linux-x86-64.so.2"],
        ["datadog-agent", "ld-linux-aarch64.so.1"],
    )


def test_it_touches_no_file_outside_the_layer_but_the_few_allowed(lines):
    touched = {match.group(1) for line in lines if (match := FILE_CALL.search(line))}
    assert {"/opt/thimble/lib/libcrypto.so.3", "/etc/hosts"} <= touched, "the life was not the one meant"
    foreign = sorted(name for name in touched if name and not name.startswith(ALLOWED) and name not in ALLOWED_FILES)
    assert foreign == []


def test_it_opens_no_archive_and_no_source(lines):
    """Modules come from libpython, byte code or extension files; a source would mean that something is not compiled."""
    opened = {
        match.group(1)
        for line in lines
        if "openat(" in line and " = -1" not in line and (match := FILE_CALL.search(line))
    }
    assert [name for name in opened if name.endswith((".py", ".zip"))] == []
