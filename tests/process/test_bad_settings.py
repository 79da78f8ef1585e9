"""Settings of every bad kind, in the environment and in `datadog.yaml`: a clear line, the default, no harm done.

The tables of names, good and bad values are those of tests/config, so a new setting is covered the day it is added.
Many bad settings share a process: that none disturbs another is what is to be seen.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.config.test_environment import BAD, NAMES, table_entry
from thimble.config.assemble import BOUNDS

from .extension import Program
from .scripted_lambda import IDENTIFIER, NEXT
from .world import API_KEY, World

QUICK_MS = 1500
"""An invocation whose intake answers at once, on a busy machine."""

BOOLEANS = [name for name in NAMES if table_entry(name)[1] in ("BOOL", "BOOLT")]
TEXTS = [name for name in NAMES if table_entry(name)[1] == "STR"]
NOT_HERE = ("DD_API_KEY", "DD_LOGS_CONFIG_LOGS_DD_URL", "DD_DD_URL", "DD_LOG_LEVEL", "DD_DEBUG_WAIT_FOR_ATTACH")
"""Settings by which this test reaches its intake, reads what is said, and does not wait."""


async def unharmed(world: World, delivers: bool = True) -> list[str]:
    """Pass two invocations through and shut down; returns the extension's own texts, none of which is a defect."""
    await world.start()
    assert await world.invocation("line 1") < QUICK_MS
    assert await world.invocation("line 2") < QUICK_MS
    assert len(world.api.of(NEXT)) == 3
    assert await world.shutdown() == 0
    if delivers:
        assert [text for text in world.messages() if text.startswith("line")] == ["line 1", "line 2"]
    texts = [json.loads(line)["message"].split(" | ", 2)[2] for line in world.own_lines()]
    assert not any("Defect" in text or "Failed: " in text for text in texts), texts
    return texts


def about(texts: list[str], name: str) -> list[str]:
    return [text for text in texts if text.startswith(f"{name}: ")]


async def test_everything_bad_at_once_gives_one_line_each(program: Program) -> None:
    bad = {name: BAD[table_entry(name)[1]] for name in NAMES if table_entry(name)[1] in BAD and name != "DD_LOG_LEVEL"}
    async with World(program, **bad) as world:
        texts = await unharmed(world)
    assert [name for name in bad if len(about(texts, name)) != 1] == []
    assert len(texts) == len(bad)


@pytest.mark.parametrize("value", ["yes", "t", "2", "-1", "null", "[]"])
async def test_what_is_no_boolean_gives_one_line_per_setting(program: Program, value: str) -> None:
    async with World(program, **dict.fromkeys(BOOLEANS, value)) as world:
        texts = await unharmed(world)
    for name in BOOLEANS:
        takes_t = value == "t" and table_entry(name)[1] == "BOOLT"
        assert len(about(texts, name)) == (not takes_t), name


@pytest.mark.parametrize("value", ["true", "false", "TRUE "])
async def test_every_switch_thrown_the_same_way_leaves_the_function_alone(program: Program, value: str) -> None:
    async with World(program, **dict.fromkeys(BOOLEANS, value)) as world:
        await unharmed(world, delivers=False)


FIELD_BOUNDS = {field: (minimum, maximum) for field, minimum, maximum in BOUNDS}
NUMBERS = {
    name: FIELD_BOUNDS[table_entry(name)[0]]
    for name in NAMES
    if table_entry(name)[0] in FIELD_BOUNDS and name not in NOT_HERE
}


@pytest.mark.parametrize("which", ["lowest", "highest", "below", "above", "text", "empty", "float", "huge"])
async def test_numbers_at_and_beyond_their_bounds_leave_the_function_alone(program: Program, which: str) -> None:
    values = {
        "lowest": {name: str(max(minimum, 0)) for name, (minimum, _) in NUMBERS.items()},
        "highest": {name: str(maximum) for name, (_, maximum) in NUMBERS.items()},
        "below": {name: str(minimum - 1) for name, (minimum, _) in NUMBERS.items()},
        "above": {name: str(maximum + 1) for name, (_, maximum) in NUMBERS.items()},
        "text": dict.fromkeys(NUMBERS, "10s"),
        "empty": dict.fromkeys(NUMBERS, " "),
        "float": dict.fromkeys(NUMBERS, "1.5"),
        "huge": dict.fromkeys(NUMBERS, "9" * 30),
    }[which]
    async with World(program, **values) as world:
        # Without a budget everything is sent beside the invocations, the last of it at the shutdown.
        texts = await unharmed(world)
    if which in ("lowest", "highest"):
        assert texts == []
    if which in ("text", "empty", "float", "huge"):
        assert [name for name in NUMBERS if len(about(texts, name)) != 1] == []


ODD_TEXTS = ["'", "a b", "{}", "\x01\x7f", "%s%n", "https://", "../../etc/passwd", "ü" * 300, "x" * 5000]


@pytest.mark.parametrize("value", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
async def test_odd_texts_everywhere_leave_the_function_alone(program: Program, value: str) -> None:
    names = [name for name in TEXTS if name not in NOT_HERE and "KEY" not in name and name != "DD_ORG_UUID"]
    async with World(program, **dict.fromkeys(names, value)) as world:
        await unharmed(world)


@pytest.mark.parametrize("key", [f" {API_KEY}\r\n", f"{API_KEY}\r", f'"{API_KEY}"', API_KEY[:9] + " \t" + API_KEY[9:]])
async def test_a_key_with_blanks_in_it_is_sent_without(program: Program, key: str) -> None:
    async with World(program, DD_API_KEY=key) as world:
        assert await unharmed(world) == []
        assert {received.headers["DD-API-KEY"] for received in world.intake.received} == {API_KEY}


BAD_URLS = ["http://", "://", "http://a b/", "ftp://intake.example.com", "http://[::1", "http://host:99999", "?", "#"]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_bad_url_is_said_and_the_sites_is_used(program: Program, url: str) -> None:
    names = ("DD_LOGS_CONFIG_LOGS_DD_URL", "DD_DD_URL", "DD_URL", "DD_APM_DD_URL")
    async with World(program, DD_SITE="site.invalid", **dict.fromkeys(names, url)) as world:
        texts = await unharmed(world, delivers=False)
    for name in names:
        assert len([text for text in about(texts, name) if "the site's is used instead" in text]) == 1, name
    assert any("site.invalid" in text for text in texts)


MANY_LINES = "".join(f"key_{number}: value\n" for number in range(60_000))
FILES: dict[str, bytes] = {
    "not closed": b"env: [a\nsite: b\n",
    "tabs": b"env:\n\t- a\n",
    "binary": bytes(range(256)) * 20,
    "a list": b"- env\n- site\n",
    "a text": b"env",
    "1 MiB": MANY_LINES.encode(),
    "aliases": b"a: &a [x, x, x, x, x, x, x, x]\n" + b"".join(
        b"%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n" % ((n, n) + (n - 1,) * 8) for n in range(98, 110)
    ) + b"tags: *m\n",
    "deep": b"tags: " + b"[" * 2000,
    "wrong shapes": b"env: {a: b}\ntags: 7\nlogs_config: [x]\nlogs_enabled: maybe\nflush_timeout: soon\n",
}  # fmt: skip


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
async def test_a_bad_file_beside_the_code_leaves_the_function_alone(
    program: Program, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "datadog.yaml").write_bytes(content)
    async with World(program, LAMBDA_TASK_ROOT=str(tmp_path)) as world:
        texts = await unharmed(world)
    assert all("datadog.yaml" in text for text in texts), texts
    assert len(texts) <= 8


@pytest.mark.parametrize("kind", ["folder", "loop", "dangling", "fifo"])
async def test_what_is_no_file_beside_the_code_leaves_the_function_alone(
    program: Program, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "datadog.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    else:
        os.mkfifo(path)
    async with World(program, LAMBDA_TASK_ROOT=str(tmp_path)) as world:
        texts = await unharmed(world)
    assert len(texts) == (kind in ("folder", "loop"))
    assert all("datadog.yaml" in text for text in texts)


async def test_a_bad_setting_is_told_to_nobody_but_the_log(program: Program) -> None:
    """The requests to Lambda are the same as without it."""
    async with World(program, DD_FLUSH_TIMEOUT="soon") as world:
        (text,) = await unharmed(world)
        assert text == 'DD_FLUSH_TIMEOUT: "soon" is not a whole number of 0 or more; 30 is used instead.'
        assert {call.headers.get("lambda-extension-identifier", IDENTIFIER) for call in world.api.calls} == {IDENTIFIER}
