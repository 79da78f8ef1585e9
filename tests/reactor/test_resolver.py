"""Names to addresses, without a name server: literals, /etc/hosts, and names that cannot exist."""

from __future__ import annotations

import _socket
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.reactor.rig import run
from thimble.reactor.errors import NameNotResolved
from thimble.reactor.loop import Loop
from thimble.reactor.resolver import LOOKUPS_MAX, Resolver, literal_address

V4, V6 = int(_socket.AF_INET), int(_socket.AF_INET6)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", (V4, "127.0.0.1")),
        ("255.255.255.255", (V4, "255.255.255.255")),
        ("::1", (V6, "::1")),
        ("[::1]", (V6, "::1")),
        ("[fe80::1]", (V6, "fe80::1")),
        ("::ffff:127.0.0.1", (V6, "::ffff:127.0.0.1")),
        ("", None),
        ("localhost", None),
        ("host-1", None),
        ("127.0.0.256", None),
        ("127.1", None),
        ("1.2.3.4.5", None),
        ("[127.0.0.1]x", None),
        ("::g", None),
        ("[]", None),
    ],
)
def test_only_a_numeric_address_is_literal(host: str, expected: tuple[int, str] | None) -> None:
    assert literal_address(host) == expected


def resolved(*hosts: str, deadline_ms: int = 20_000) -> Any:
    """The answers for these hosts, asked for at once: addresses, or the error's text."""

    async def main(loop: Loop) -> list[object]:
        resolver = Resolver(loop)
        found: list[object] = [None] * len(hosts)

        async def one(index: int) -> None:
            try:
                found[index] = await resolver.resolve(hosts[index], 80, loop.deadline_in_ms(deadline_ms))
            except NameNotResolved as error:
                found[index] = str(error)

        tasks = [loop.spawn(one(index), "lookup") for index in range(len(hosts))]
        for task in tasks:
            await loop.join(task)
        await settled(loop, resolver)
        return found

    return run(main)


async def settled(loop: Loop, resolver: Resolver) -> None:
    """Wait until no thread looks anything up, and give the pipe back."""
    while resolver._lookups:
        await loop.sleep_ms(2)
    if resolver._pipe is not None:
        loop.forget(resolver._pipe[0])
        for task in loop.tasks[:]:
            if task.name == "resolver":
                loop.cancel(task)
                await loop.join(task)
        os.close(resolver._pipe[0])
        os.close(resolver._pipe[1])


def test_a_literal_needs_no_thread() -> None:
    before = threading.active_count()

    async def main(loop: Loop) -> object:
        resolver = Resolver(loop)
        found = await resolver.resolve("[::1]", 80, loop.deadline_in_ms(1))
        assert resolver._pipe is None
        return found

    assert run(main) == [(V6, "::1")]
    assert threading.active_count() == before


def test_a_name_of_this_machine_has_its_addresses() -> None:
    found = resolved("localhost")[0]
    assert (V4, "127.0.0.1") in found
    assert {family for family, _ in found} <= {V4, V6}


@pytest.mark.parametrize("host", ["b\xfccher.example", "a\0b", "\U0001f600", "a" * 70 + ".invalid"])
def test_a_text_that_is_no_host_name_is_refused(host: str) -> None:
    assert str(resolved(host)[0]).startswith(f"{host}: ")


def test_a_host_that_does_not_exist_is_named() -> None:
    assert str(resolved("no-such-host.invalid")[0]).startswith("no-such-host.invalid: ")


def test_an_answer_that_takes_too_long_ends_at_the_deadline_and_harms_nobody() -> None:
    async def main(loop: Loop) -> object:
        resolver = Resolver(loop)
        with pytest.raises(NameNotResolved, match="localhost: no answer in time"):
            await resolver.resolve("localhost", 80, 1)  # a deadline that has passed
        found = await resolver.resolve("localhost", 80, loop.deadline_in_ms(20_000))
        await settled(loop, resolver)
        return found

    assert (V4, "127.0.0.1") in run(main)


def test_a_lookup_loads_no_module() -> None:
    """A host name as text would load the IDNA codec: 8 ms, and `unicodedata` that the bundle does not have."""
    program = (
        "import select, sys, time\n"
        "from thimble.reactor.loop import Loop; from thimble.reactor.resolver import Resolver\n"
        "loop = Loop(select.epoll(), time.monotonic_ns, print); resolver = Resolver(loop); before = set(sys.modules)\n"
        "print(loop.run(resolver.resolve('localhost', 80, loop.deadline_in_ms(20000))), set(sys.modules) - before)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "127.0.0.1" in result.stdout
    assert result.stdout.endswith(" set()\n")


def test_many_at_once_for_one_host_share_one_lookup() -> None:
    async def main(loop: Loop) -> int:
        resolver = Resolver(loop)
        most = 0
        tasks = [
            loop.spawn(resolver.resolve("localhost", 80, loop.deadline_in_ms(20_000)), "lookup") for _ in range(50)
        ]
        while not all(task.is_done for task in tasks):
            most = max(most, len(resolver._lookups))
            await loop.pause()
        assert all((V4, "127.0.0.1") in task.result for task in tasks)  # type: ignore[operator]
        await settled(loop, resolver)
        return most

    assert run(main) == 1


def test_one_host_more_than_may_be_looked_up_at_once_is_refused() -> None:
    hosts = ["localhost", *(f"host-{number}.invalid" for number in range(LOOKUPS_MAX))]
    found = resolved(*hosts)
    assert str(found[-1]) == f"{hosts[-1]}: {LOOKUPS_MAX} lookups are open already"
    assert (V4, "127.0.0.1") in found[0]


def test_lookups_one_after_the_other_leave_nothing_behind() -> None:
    async def main(loop: Loop) -> tuple[int, int]:
        resolver = Resolver(loop)
        await resolver.resolve("localhost", 80, loop.deadline_in_ms(20_000))
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            await resolver.resolve("localhost", 80, loop.deadline_in_ms(20_000))
        after = len(os.listdir("/proc/self/fd"))
        await settled(loop, resolver)
        return before, after

    before, after = run(main)
    assert before == after
