"""Walls around a command: network, mounts, processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from thimble.sandbox import isolation
from thimble.sandbox.isolation import EXIT_NOT_ISOLATED, Isolation, exclusive_ports, wait_for_ports

WHY_NOT = isolation.problem()
needs_namespaces = pytest.mark.skipif(WHY_NOT is not None, reason=f"no namespaces here: {WHY_NOT}")


def run_inside(walls: Isolation, program: str) -> subprocess.CompletedProcess[str]:
    command = walls.command([sys.executable, "-c", program])
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@needs_namespaces
def test_fixed_ports_are_free_inside_whatever_happens_outside() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = (
            "import socket\n"
            f"server = socket.create_server(('127.0.0.1', {port}))\n"
            f"socket.create_connection(('127.0.0.1', {port})).close()\n"
            "print('served')\n"
        )
        result = run_inside(Isolation(), program)
        assert (result.returncode, result.stdout) == (0, "served\n"), result.stderr
        assert run_inside(Isolation(has_own_network=False), program).returncode == 1


@needs_namespaces
def test_folders_appear_where_lambda_has_them_and_the_machine_stays_as_it_is(tmp_path: Path) -> None:
    for name in ("layer", "task", "tmp", "kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"mark-{name}").touch()
    before = sorted(os.listdir("/var"))
    checkout = Path(__file__).resolve().parents[2]  # with its interpreter it may lie below /tmp
    keep = [tmp_path / "kept", checkout]
    walls = Isolation(layer=tmp_path / "layer", task=tmp_path / "task", tmp=tmp_path / "tmp", keep=keep)
    result = run_inside(
        walls,
        "import os\n"
        f"print(os.listdir('/opt'), os.listdir('/var/task'), os.listdir({str(tmp_path / 'kept')!r}))\n"
        "open('/tmp/written', 'w').close()\n"
        "print('mark-tmp' in os.listdir('/tmp'))\n"
        "for path in ('/opt/x', '/var/task/x'):\n"
        "    try: open(path, 'w')\n"
        "    except OSError as error: print(error.strerror)\n",
    )
    assert result.stdout.splitlines() == [
        "['mark-layer'] ['mark-task'] ['mark-kept']",
        "True",
        "Read-only file system",
        "Read-only file system",
    ], result.stderr
    assert (tmp_path / "tmp" / "written").exists()
    assert sorted(os.listdir("/var")) == before


@needs_namespaces
def test_foreign_processes_cannot_be_seen() -> None:
    result = run_inside(Isolation(), "import os; print([name for name in os.listdir('/proc') if name.isdigit()])")
    assert result.stdout == "['1', '2']\n", result.stderr
    assert run_inside(Isolation(has_own_processes=False), f"import os; os.kill({os.getpid()}, 0)").returncode == 0


@needs_namespaces
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_gets_the_same_walls() -> None:
    program = "import os; print(os.getuid(), len([name for name in os.listdir('/proc') if name.isdigit()]))"
    source = os.environ["PYTHONPATH"].split(os.pathsep)[0]
    command = Isolation().command(["/usr/bin/env", "python3", "-c", program])
    with tempfile.TemporaryDirectory() as readable:  # the checkout may lie below root's home
        shutil.copytree(Path(source) / "thimble", Path(readable) / "thimble")
        Path(readable).chmod(0o755)
        result = subprocess.run(
            ["/usr/bin/env", "python3", *command[1:]], capture_output=True, text=True, timeout=30, check=False,
            user="nobody", group="nogroup", extra_groups=[], cwd="/",
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": readable, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    if result.returncode == EXIT_NOT_ISOLATED and "user namespace" in result.stderr:
        pytest.skip(result.stderr.strip())
    assert (result.returncode, result.stdout) == (0, "0 2\n"), result.stderr


@needs_namespaces
def test_the_exit_code_and_signals_pass_the_walls() -> None:
    assert run_inside(Isolation(), "raise SystemExit(7)").returncode == 7
    assert run_inside(Isolation(), "import os; os.kill(os.getpid(), 9)").returncode == 128 + 9
    command = Isolation().command([sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 128 + signal.SIGTERM


@needs_namespaces
def test_a_folder_that_is_missing_stops_everything_with_one_line(tmp_path: Path) -> None:
    result = run_inside(Isolation(layer=tmp_path / "absent"), "print('never')")
    assert (result.returncode, result.stdout) == (EXIT_NOT_ISOLATED, "")
    assert result.stderr.startswith("thimble: cannot isolate: ")
    assert "/opt" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@needs_namespaces
def test_a_command_that_is_missing_is_named() -> None:
    command = Isolation().command(["/no/such/program"])
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 127
    assert result.stderr == "thimble: cannot run /no/such/program: No such file or directory\n"


def test_environments_without_walls_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "PORTS", ())
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with exclusive_ports(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with exclusive_ports(tmp_path):
        inside.set()
        thread.join(0.1)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_waiting_for_a_port_ends_when_it_is_free_or_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TimeoutError, match=f"port {port} is still taken"):
            wait_for_ports([port], limit_s=0.05)
    wait_for_ports([port], limit_s=5)
