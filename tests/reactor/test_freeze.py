"""A process that is stopped while it waits, as Lambda freezes a sandbox, and goes on."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

PROGRAM = Path(__file__).parent / "frozen_program.py"
DEADLINE_MS = 2_000
FROZEN_S = 5.0


class FrozenRun:
    """One child that waits with a deadline of 2 s and is stopped for 5 s in the middle.

    Args:
        answer_s: When its peer answers, in seconds after the stop; None for never.
    """

    def __init__(self, answer_s: float | None) -> None:
        self._answer_s = answer_s
        self._thread = threading.Thread(target=self._play)
        self.said = ""
        self._thread.start()

    def result(self) -> tuple[str, int, int, int]:
        """What it got, freezes seen, milliseconds that it believes to have lived, timer bursts."""
        self._thread.join(50)
        found = re.fullmatch(r"(.*); freezes (\d+); lived (\d+); bursts (\d+)", self.said)
        assert found is not None, self.said
        return found[1], int(found[2]), int(found[3]), int(found[4])

    def _play(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            command = [sys.executable, str(PROGRAM), str(listener.getsockname()[1]), str(DEADLINE_MS)]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
            assert child.stdout is not None
            with child, listener.accept()[0] as connection:
                assert child.stdout.readline() == "waiting\n"
                time.sleep(0.3)
                child.send_signal(signal.SIGSTOP)
                end = time.monotonic() + FROZEN_S
                if self._answer_s is not None and self._answer_s < FROZEN_S:
                    time.sleep(self._answer_s)
                    connection.sendall(b"hello")
                time.sleep(max(end - time.monotonic(), 0))
                child.send_signal(signal.SIGCONT)
                if self._answer_s is not None and self._answer_s >= FROZEN_S:
                    time.sleep(self._answer_s - FROZEN_S)
                    connection.sendall(b"hello")
                ready, _, _ = select.select([child.stdout], [], [], 30)
                self.said = child.stdout.readline().strip() if ready else "it never ended"
                child.kill()


def test_a_freeze_costs_no_deadline_and_no_answer_is_lost() -> None:
    meanwhile, afterwards, never = FrozenRun(1.0), FrozenRun(FROZEN_S + 1.0), FrozenRun(None)
    found, freezes, lived_ms, bursts = meanwhile.result()
    assert (found, freezes, bursts) == ("answer hello", 1, 0), "the answer that came meanwhile"
    assert lived_ms < 1_500
    found, freezes, lived_ms, bursts = afterwards.result()
    assert (found, freezes, bursts) == ("answer hello", 1, 0), "the answer that came a second after the thaw"
    assert lived_ms < DEADLINE_MS
    found, freezes, lived_ms, bursts = never.result()
    assert (found, freezes, bursts) == ("deadline", 1, 0)
    assert DEADLINE_MS <= lived_ms < 2 * DEADLINE_MS
