"""`THIMBLE_LOGS_KEEP` over a thousand invocations: exactly the bad ones have their low lines, and the rest is counted.

Telemetry comes as the platform may send it: in order, but in batches of any size, before the INVOKE event or long after
the tracer's end-invocation call, with `platform.report` in the next invocation, and with records cut in two.
"""

from __future__ import annotations

import asyncio
import json
import random
import re

import pytest

from . import events, local_http
from .extension import Program
from .scripted_lambda import NEXT
from .world import World

INVOCATIONS = 1000
BAD = {
    3: "error", 141: "server_error", 142: "out_of_memory", 500: "timeout", 777: "slow", 900: "server_error",
    998: "error",
}  # fmt: skip
"""Number of an invocation, and why its low lines are to arrive."""
BY_CALL = {141: True, 900: False, 998: True}
"""Those that only the tracer's call tells of, and whether it names its invocation."""
WITHOUT_DONE = frozenset({500})
"""Ends without `platform.runtimeDone`: the platform's last word about it is its report."""

PROMPT, LATE, EARLY = "prompt", "late", "early"
WORDS = ("café", 'a "quoted" word', "back\\slash", "tab\there", "two\nlines", "\x01", "x" * 300, "日本語")
SETTINGS = {"THIMBLE_LOGS_KEEP": "errors,slow:1500", "THIMBLE_LOGS_PLATFORM": "report"}


class Request:
    """One invocation: what its function writes, and how it goes."""

    def __init__(self, number: int, dice: random.Random) -> None:
        self.number = number
        self.id = events.new_request_id()
        self.reason = BAD.get(number, "")
        self.low: list[str] = []
        self.high: list[str] = []
        self.records: list[str] = []
        for at in range(dice.randint(2, 8)):
            level = dice.choice(("DEBUG", "TRACE", "DEBUG", "INFO", "WARNING", "ERROR"))
            if at == 0:
                level = "DEBUG"
            text = f"[{level}]\t{number}.{at}\t{dice.choice(WORDS)}\n"
            self.records.append(text)
            (self.low if level in ("DEBUG", "TRACE") else self.high).append(text)

    def events(self) -> tuple[list[events.Event], events.Event]:
        """Everything from `platform.start` to the end, and the report."""
        found = [events.start(self.id), *map(events.function_line, self.records)]
        is_by_call = self.number in BY_CALL
        status = self.reason if self.reason in ("error", "timeout") and not is_by_call else "success"
        duration_ms = 1500.0 if self.reason == "slow" else 20.0
        if self.number not in WITHOUT_DONE:
            done = events.runtime_done(self.id, status)
            done["record"]["metrics"]["durationMs"] = duration_ms
            found.append(done)
        report = events.report(self.id)
        report["record"]["status"] = status
        report["record"]["metrics"]["durationMs"] = duration_ms + 1
        if self.reason == "out_of_memory":
            report["record"]["metrics"]["maxMemoryUsedMB"] = report["record"]["metrics"]["memorySizeMB"]
        return found, report

    def lines_of_the_platform(self) -> list[str]:
        """Its START line, and its END line if the platform told of an end."""
        ends = [] if self.number in WITHOUT_DONE else [f"END RequestId: {self.id}"]
        if self.reason == "error" and self.number not in BY_CALL:
            ends[0] += ' Task failed: ""'
        return [f"START RequestId: {self.id} Version: $LATEST", *ends]

    async def end_call(self, is_named: bool) -> None:
        """What the tracer says at the end of the handler."""
        headers: dict[str, str] = {"lambda-runtime-aws-request-id": self.id} if is_named else {}
        code = 404 if self.number % 5 == 0 else 200
        if self.number in BY_CALL:
            if self.reason == "server_error":
                code = 502
            else:
                headers["x-datadog-invocation-error"] = "true"
        body = json.dumps({"statusCode": code, "body": "statusCode 500"}).encode()
        answer = await local_http.call(local_http.LIFECYCLE, "POST", "/lambda/end-invocation", body, headers)
        assert answer.status == 200


class Stream:
    """Telemetry that waits at the platform, and its delivery in batches."""

    def __init__(self, dice: random.Random) -> None:
        self.waiting: list[events.Event] = []
        self.cut_records = 0
        self._dice = dice

    async def deliver(self, count: int) -> None:
        """Send the `count` oldest events, in batches of any size; some end in the middle of a record."""
        due, self.waiting = self.waiting[:count], self.waiting[count:]
        rest = b""
        while due:
            size = self._dice.randint(1, len(due))
            batch, due = due[:size], due[size:]
            body = json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode()
            if rest:
                body = b"[" + rest + b"," + body[1:]
                rest = b""
            if batch[-1]["type"] == "function" and self._dice.random() < 0.2:
                body, rest = self._cut(body, batch[-1])
            await self._post(body)
        if rest:
            await self._post(b"[" + rest + b"]")

    def _cut(self, body: bytes, last: events.Event) -> tuple[bytes, bytes]:
        """Both halves of a body whose last record is cut; the second repeats the envelope."""
        event = json.dumps(last, ensure_ascii=False, separators=(",", ":")).encode()
        value_at = event.index(b'"record":') + len(b'"record":')
        cut_at = self._dice.randint(value_at + 1, len(event) - 2)
        self.cut_records += 1
        return body[: -len(event) - 1] + event[:cut_at] + b"}]", event[:value_at] + event[cut_at:]

    async def _post(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        assert (await local_http.call(local_http.TELEMETRY, "POST", "/", body, headers)).status == 200


async def play(world: World, requests: list[Request], dice: random.Random) -> Stream:
    """Pass all of them through, then the SHUTDOWN."""
    stream = Stream(dice)
    report: events.Event | None = None
    for request in requests:
        found, own_report = request.events()
        # The report of the invocation before comes with this one, before its start or somewhere within.
        if report is not None:
            found.insert(dice.randint(0, len(found) - 1), report)
        report = own_report
        mode = PROMPT if request.number == 0 else dice.choice((PROMPT, LATE, EARLY))
        is_named = BY_CALL.get(request.number, request.number % 2 == 0)
        asked = len(world.api.of(NEXT))
        stream.waiting += found
        if mode == EARLY:
            await stream.deliver(len(stream.waiting) - dice.randint(0, len(found) - 1))
        world.api.send(events.invoke(request.id, world.timeout_ms))
        await world.api.wait_for_next(asked + 1)
        if mode == PROMPT:
            await stream.deliver(len(stream.waiting) - 1)
        await request.end_call(is_named)
        if mode == PROMPT:
            await stream.deliver(1)
        elif mode == LATE and len(stream.waiting) > 60:
            await stream.deliver(dice.randint(0, len(stream.waiting)))
    assert report is not None
    stream.waiting.append(report)
    await stream.deliver(len(stream.waiting))
    assert await world.shutdown() == 0
    return stream


def bytes_as_sent(texts: list[str]) -> int:
    """What the texts take in a payload: as JSON, without the quotes."""
    return sum(len(json.dumps(text, ensure_ascii=False).encode()) - 2 for text in texts)


def counted(line: str, what: str) -> dict[str, int]:
    """The figures of the line at the shutdown, by the reason."""
    return {reason: int(count) for count, reason in re.findall(rf"(\d+) {what} \((\w+)\)", line)}


def by_request(world: World) -> dict[str, list[tuple[str, str]]]:
    """Text and tags of the function's lines that arrived, by the request they name, in the order of arrival."""
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in world.intake.logs():
        text = entry["message"]["message"]
        if text.startswith("["):
            found.setdefault(entry["message"]["lambda"]["request_id"], []).append((text, entry["ddtags"]))
    return found


def kept_for(tags: str) -> str:
    """Why a line was kept, or nothing."""
    reasons = [tag.removeprefix("kept_for:") for tag in tags.split(",") if tag.startswith("kept_for:")]
    assert len(reasons) <= 1
    return "".join(reasons)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
async def test_of_a_thousand_invocations_the_seven_bad_ones_arrive_whole_and_the_rest_is_counted(
    program: Program, seed: int
) -> None:
    dice = random.Random(seed)
    requests = [Request(number, dice) for number in range(INVOCATIONS)]
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,200", **SETTINGS) as world:
        world.timeout_ms = 30_000
        await world.start()
        stream = await play(world, requests, dice)
        arrived = by_request(world)
        own_lines = world.own_lines()
        entries = world.intake.logs()
        payload_bytes = sum(received.raw_bytes for received in world.intake.accepted("logs"))
    assert stream.cut_records > 50
    for request in requests:
        lines: list[tuple[str, str]] = arrived.get(request.id, [])
        reasons: dict[str, str] = {text: kept_for(tags) for text, tags in lines}
        low = [text for text, _ in lines if text in request.low]
        assert [text for text, _ in lines if text in request.high] == request.high, request.number
        assert {reasons[text] for text in request.high} <= {""}
        assert low == (request.low if request.reason else []), (request.number, request.reason)
        assert {reasons[text] for text in low} == ({request.reason} if request.reason else set()), request.number
    saved = {
        "good_invocation": [text for request in requests if not request.reason for text in request.low],
        "platform_line": [text for request in requests for text in request.lines_of_the_platform()],
    }
    (line,) = own_lines
    assert json.loads(line)["status"] == "INFO"
    assert f"LOGS | Made {len(entries)} entries of {payload_bytes} bytes; " in line
    assert counted(line, "lines") == {name: len(texts) for name, texts in saved.items()}
    assert counted(line, "bytes of lines") == {name: bytes_as_sent(texts) for name, texts in saved.items()}


async def waiting_end_call(body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a tracer's call that names no invocation, without waiting for its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", local_http.LIFECYCLE)
    writer.write(b"POST /lambda/end-invocation HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    return reader, writer


async def begun(world: World, request: Request) -> None:
    """Let an invocation begin; its telemetry is for the test to send."""
    asked = len(world.api.of(NEXT))
    world.api.send(events.invoke(request.id, world.timeout_ms))
    await world.api.wait_for_next(asked + 1)


@pytest.mark.parametrize("is_call_first", [False, True])
async def test_an_unnamed_end_call_that_waits_beside_its_invoke_event_is_about_that_invocation(
    program: Program, is_call_first: bool
) -> None:
    """After a thaw both may be there: the function was faster than we were."""
    dice = random.Random(7)
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,60000", **SETTINGS) as world:
        await world.start()
        good, bad = Request(0, dice), Request(900, dice)
        await begun(world, good)
        found, report = good.events()
        await local_http.post_events(found)
        asked = len(world.api.of(NEXT))
        sent = world.api.answers_sent
        world.extension.stop()
        if is_call_first:
            reader, writer = await waiting_end_call(b'{"statusCode":502}')
            world.api.send(events.invoke(bad.id, world.timeout_ms))
            await world.api.wait_until(lambda: world.api.answers_sent > sent)
        else:
            world.api.send(events.invoke(bad.id, world.timeout_ms))
            await world.api.wait_until(lambda: world.api.answers_sent > sent)
            reader, writer = await waiting_end_call(b'{"statusCode":502}')
        world.extension.go_on()
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        writer.close()
        await writer.wait_closed()
        await world.api.wait_for_next(asked + 1)
        found, last_report = bad.events()
        await local_http.post_events([report, *found, last_report])
        assert await world.shutdown() == 0
        arrived = by_request(world)
    assert [text for text, tags in arrived[bad.id] if kept_for(tags) == "server_error"] == bad.low
    assert [text for text, _ in arrived.get(good.id, [])] == good.high


@pytest.mark.parametrize("is_report_first", [True, False])
async def test_an_invocation_that_timed_out_without_an_end_is_kept(program: Program, is_report_first: bool) -> None:
    """The platform may tell of it before it ends the sandbox, or not at all."""
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,60000", **SETTINGS) as world:
        await world.start()
        request = Request(500, random.Random(7))
        await begun(world, request)
        found, report = request.events()
        await local_http.post_events(found)
        if is_report_first:
            await local_http.post_events([report])
        assert await world.shutdown("timeout") == 0
        arrived = by_request(world)
    reason = "timeout" if is_report_first else "unfinished"
    assert [text for text, tags in arrived[request.id] if kept_for(tags) == reason] == request.low


async def test_a_failure_told_twice_is_tagged_with_what_came_first(program: Program) -> None:
    async with World(program, DD_SERVERLESS_FLUSH_STRATEGY="continuously,60000", **SETTINGS) as world:
        await world.start()
        request = Request(141, random.Random(7))
        await begun(world, request)
        await request.end_call(is_named=True)
        found, report = request.events()
        found[-1]["record"]["status"] = "error"
        await local_http.post_events([*found, report])
        assert await world.shutdown() == 0
        arrived = by_request(world)
    assert [text for text, tags in arrived[request.id] if kept_for(tags) == "server_error"] == request.low
    assert not [tags for _, tags in arrived[request.id] if kept_for(tags) == "error"]
