"""The local Lambda against AWS's own emulator: one odd extension and one odd runtime get the same answers from both.

Where the two are known to differ, and the local Lambda follows Lambda itself, the difference is listed here with its
reason; a difference that goes away fails as well.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from thimble.sandbox.emulator import Emulator
from thimble.sandbox.faults import Faults
from thimble.sandbox.spec import ExtensionSpec, FunctionSpec, PlatformOptions

from . import local_http, rie
from .extension import FROZEN, Program

FOLDER = Path(__file__).with_name("conformance")
EVENTS = [b'{"n":1}', b'{"n":2}', b'{"n":3}']
Answers = dict[str, dict[str, Any]]

PATTERNS = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r'"deadlineMs":\d+'), '"deadlineMs":<ms>'),
    (re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16}"), "<trace>"),
]
UNKNOWN = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def plain(answers: Answers) -> Answers:
    """Answers without what differs from run to run."""
    text = json.dumps(answers).replace(UNKNOWN, "<unknown>").replace('\\"', "'")
    for pattern, word in [(p.pattern.replace('"', "'"), word.replace('"', "'")) for p, word in PATTERNS]:
        text = re.sub(pattern, word, text)
    found: Answers = json.loads(text)
    return found


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        return rie.fetch()
    except rie.Unavailable as reason:
        pytest.skip(str(reason))


def prepared(folder: Path) -> tuple[Path, dict[str, str]]:
    """A layer with the odd extension, and the files that it and the runtime write to."""
    agent = folder / "layer" / "extensions" / "probe"
    agent.parent.mkdir(parents=True)
    source = (FOLDER / "probe_extension.py").read_text(encoding="utf-8")
    agent.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    agent.chmod(0o755)
    files = {"PROBE_FILE": str(folder / "extension.json"), "RUNTIME_FILE": str(folder / "runtime.json")}
    return folder / "layer", files


def read(folder: Path) -> tuple[Answers, Answers]:
    return tuple(
        plain(json.loads((folder / name).read_text(encoding="utf-8"))) for name in ("extension.json", "runtime.json")
    )  # type: ignore[return-value]


async def under_rie(binary: Path, folder: Path) -> tuple[Answers, Answers, list[Any]]:
    layer, files = prepared(folder)
    process = await rie.start_command(
        binary, layer, folder, [sys.executable, str(FOLDER / "bootstrap.py"), "app.handler"], files
    )
    try:
        await rie.listening()
        payloads = []
        for event in EVENTS:
            answer = await local_http.call(rie.INVOKE_PORT, "POST", rie.INVOKE_PATH, event)
            payloads.append(as_json(answer.body))
        process.send_signal(signal.SIGTERM)
        assert await process.exit(5.0) == 0, process.err
    finally:
        await process.kill()
    return *read(folder), payloads


async def under_the_local_lambda(folder: Path) -> tuple[Answers, Answers, list[Any]]:
    layer, files = prepared(folder)
    function = FunctionSpec(
        bootstrap=[sys.executable, str(FOLDER / "bootstrap.py")],
        root=folder,
        handler="app.handler",
        name="test_function",
        account_id="012345678912",
        memory_mb=3008,
        env=files,
    )
    extension = ExtensionSpec(path=layer / "extensions" / "probe")
    options = PlatformOptions(reason_words="rie")
    async with Emulator(function, extension, options=options, faults=Faults(is_telemetry_stub=True)) as emulator:
        payloads = [as_json((await emulator.invoke(event)).payload) for event in EVENTS]
        await emulator.spindown()
        assert emulator.exit_codes["probe"] == 0
    return *read(folder), payloads


def as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


DIFFERENCES = {
    "extension: register": "Lambda names the handler, AWS's emulator leaves it empty and ends the body with a newline",
    "extension: init error of nobody": "with two things wrong the two look at the other one first",
    "extension: no such path": "the wording of the web framework; nobody reads it",
    "extension: wrong method for register": "405 there, 404 here; no client sends it",
    "extension: wrong method for next": "405 there, 404 here; no client sends it",
    "extension: event 3": "the content type of SHUTDOWN is text there; clients must not look at it",
    "runtime: no such path": "the wording of the web framework; nobody reads it",
}


async def test_both_give_the_same_answers(program: Program, binary: Path, tmp_path: Path) -> None:
    if program.form == FROZEN:
        pytest.skip("has nothing to do with the bundle")
    (tmp_path / "rie").mkdir()
    (tmp_path / "local").mkdir()
    aws = await under_rie(binary, tmp_path / "rie")
    ours = await under_the_local_lambda(tmp_path / "local")
    differing = {}
    for kind, theirs, mine in [("extension", aws[0], ours[0]), ("runtime", aws[1], ours[1])]:
        assert list(theirs) == list(mine)
        for label in theirs:
            if theirs[label] != mine[label]:
                differing[f"{kind}: {label}"] = f"\n   AWS:  {theirs[label]}\n   ours: {mine[label]}"
    unknown = [f"{label} {text}" for label, text in differing.items() if label not in DIFFERENCES]
    assert not unknown, "\n".join(unknown)
    assert set(differing) == set(DIFFERENCES), "a difference is gone: take it off the list"
    assert aws[2] == ours[2]
