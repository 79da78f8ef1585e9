"""Bodies as they come: whole, garbled, cut in the middle of a record, not UTF-8."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.logs.support import R1, TIME, Path, event, post, runtime_done, start

WHOLE = event("function", "whole")
HEAD = b'[{"time":"2026-09-03T14:29:52.929Z","type":"function","record":'
RUNTIME_DONE = (
    b'{"time":"2026-09-03T14:29:52.930Z","type":"platform.runtimeDone","record":{"requestId":"abc123","status":"success"'
    b',"metrics":{"durationMs":18.074,"producedBytes":329814}}}'
)


def ingest_all(path: Path, *bodies: bytes, now_ms: int = 0) -> list[Any]:
    answered = []
    for body in bodies:
        answered += path.processor.ingest(body, now_ms)
    return answered


@pytest.mark.parametrize("body", [b"[]", b"", b"not json", b'[\xff"]', b"\x00", b"{}", b"[[]]", b"]", b'[1,"x",null]'])
def test_body_without_events_is_taken_in_silence(body: bytes) -> None:
    path = Path()
    assert path.processor.ingest(body, 0) == []
    path.processor.release_held()
    assert path.entries() == []


@pytest.mark.parametrize("phase", ["init", "invoke", "snap-start"])
def test_phase_passes_as_it_is(phase: str) -> None:
    answered = Path().ingest(event("platform.initStart", {"initializationType": "on-demand", "phase": phase}))
    assert [(each.phase, each.init_type) for each in answered] == [(phase, "on-demand")]


def test_retired_type_beside_a_known_one_is_skipped() -> None:
    path = Path()
    answered = path.ingest(start(), event("platform.end", {"requestId": "a"}), runtime_done())
    assert [each.kind for each in answered] == ["platform.start", "platform.runtimeDone"]
    assert (answered[1].has_metrics, answered[1].request_id) == (False, R1)


def test_single_object_counts_as_an_array_of_one() -> None:
    path = Path()
    assert len(path.processor.ingest(json.dumps(start()).encode(), 0)) == 1


def test_body_of_three_mebibytes_is_taken() -> None:
    path = Path()
    path.ingest(start(), *[event("function", f"{number} " + "x" * 3000) for number in range(1000)])
    assert [text.split(" ")[0] for text in path.texts()[1:]] == [str(number) for number in range(1000)]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":tru}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":"x\n"}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":"\\x"}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":"\\u12g4"}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":"x"',
        b'x{"time":"2025-03-14T09:30:45.123Z","type":"function","record":"x"}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":["x"}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function,"record":"x"}',
        b'{"time":"yesterday","type":"function","record":"x"}',
        b'{"time":"2025-02-30T09:30:45.123Z","type":"function","record":"x"}',
        b'{"time":12,"type":"function","record":"x"}',
        b'{"time":"2025-03-14T09:30:45.123Z","record":"x"}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function"}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function","record":"x",}',
        b'{"time":"2025-03-14T09:30:45.123Z","type":"function" "record":"x"}',
        b"{}",
        b"17",
        b'"text with { brace"',
        b'"text',
        b"nul",
    ],
)
def test_bad_event_is_counted_and_loses_no_neighbour(bad: bytes) -> None:
    path = Path()
    first = json.dumps(event("function", "first")).replace(" ", "").encode()
    last = json.dumps(event("function", "last")).replace(" ", "").encode()
    path.ingest(start())
    path.processor.ingest(b"[" + first + b"," + bad + b"," + last + b"," + last + b"]", 0)
    path.processor.release_held()
    assert path.texts()[1:] == ["first", "last", "last"]
    assert path.drops.total("logs") == 1


def test_brace_too_many_behind_an_event_is_counted_and_loses_nothing() -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(post(WHOLE, WHOLE).replace(b"},", b"}},"), 0)
    assert path.texts()[1:] == ["whole", "whole"]
    assert path.drops.total("logs") == 1


def test_bad_last_event_is_counted_when_nothing_continues_it() -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(b'[{"time":"2025-03-14T09:30:45.123Z","type":"function","record":{"a":tru}}]', 0)
    path.ingest(WHOLE)
    assert path.texts()[1:] == ["whole"]
    assert path.drops.total("logs") == 1


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("\\ud83d\\ude00", "😀"),
        ("\\ud83d", "�"),
        ("\\ude00x", "�x"),
        ("\\ud83d\\ud83d\\ude00", "�😀"),
        ("\\\\ud83d", "\\ud83d"),
        ("\\uD83D\\n", "�\n"),
        ("\\u003cb\\u003E\\u0026\\u2028\\u001B\\u000a\\u007f\\u0022\\u005c\\/", '<b>&\u2028\x1b\n\x7f"\\/'),
    ],
)
@pytest.mark.parametrize("shape", ['"%s"', '{"message":"%s"}'])
def test_escapes_are_read_and_lone_surrogates_replaced(shape: str, escaped: str, text: str) -> None:
    path = Path()
    path.ingest(start())
    record = shape % escaped
    path.processor.ingest(f'[{{"time":"{TIME}","type":"function","record":{record}}}]'.encode(), 0)
    found = path.texts()[1]
    assert (json.loads(found)["message"] if shape.startswith("{") else found) == text


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(post(event("function", "aXb"), event("function", {"m": "aXb"})).replace(b"X", b"\xff\xc3"), 0)
    assert path.texts()[1:] == ["a��b", '{"m":"a��b"}']


def test_deep_nesting_costs_one_line_at_most() -> None:
    path = Path()
    path.ingest(start())
    body = post(WHOLE, event("function", "DEEP"), WHOLE).replace(b'"DEEP"', b'{"a":' * 5000 + b"1" + b"}" * 5000)
    path.processor.ingest(body, 0)
    assert path.texts()[1:] == ["whole", "whole"]
    assert path.drops.total("logs") == 1


def test_duplicate_keys_keep_the_last_value() -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(
        f'[{{"record":"first","time":"{TIME}","type":"extension","type":"function","extra":{{}},"record":"second"}}]'.encode(),
        0,
    )
    assert path.texts()[1:] == ["second"]


# --- cut bodies -----------------------------------------------------------------------------------------------------


def test_cut_record_is_joined_with_its_repeated_envelope() -> None:
    path = Path()
    answered = ingest_all(path, HEAD + b'{"message":"AAAA}]', HEAD + b'BBBB"}},' + RUNTIME_DONE + b"]")
    assert [each.request_id for each in answered] == ["abc123"]
    assert path.texts() == ["END RequestId: abc123", '{"message":"AAAABBBB"}']
    assert path.drops.total("logs") == 0


def halves(value: bytes, cut: int, framing: bytes, lead: bytes, trail: bytes) -> tuple[bytes, bytes]:
    """The two bodies that the platform makes of a value cut behind `cut` bytes."""
    envelope = HEAD[1:]
    return b"[" + lead + envelope + value[:cut] + framing, b"[" + envelope + value[cut:] + b"}" + trail + b"]"


LEAD = post(WHOLE)[1:-1] + b","
TRAIL = b"," + post(WHOLE)[1:-1]
VALUES = {
    "text": '"a {\\"time\\":\\"x\\"} \\\\ \\u00e9 é 😀 ]}"'.encode(),
    "object": '{"level":"INFO","message":{"record":"a}]","n":[1,{"time":"é"}]},"x":12}'.encode(),
}


@pytest.mark.parametrize("framing", [b"}]", b""], ids=["framed", "bare"])
@pytest.mark.parametrize("shape", VALUES)
def test_record_cut_anywhere_arrives_whole_and_once(shape: str, framing: bytes) -> None:
    value = VALUES[shape]
    for cut in range(len(value) + 1):
        if framing == b"" and value[:cut].endswith(b"}]"):
            continue  # nothing tells this from framing, which the platform always writes
        path = Path()
        path.ingest(start())
        ingest_all(path, *halves(value, cut, framing, LEAD, TRAIL))
        path.processor.release_held()
        decoded = json.loads(value)
        texts = path.texts()[1:]
        assert texts[0] == "whole", cut
        assert texts[-1] == "whole", cut
        assert len(texts) == 3, (cut, texts)
        assert (texts[1] if shape == "text" else json.loads(texts[1])) == decoded, cut


def test_record_cut_twice_arrives_whole() -> None:
    path = Path()
    answered = ingest_all(path, HEAD + b'"AAAA}]', HEAD + b"BBBB}]", HEAD + b'CCCC"},' + RUNTIME_DONE + b"]")
    assert [each.kind for each in answered] == ["platform.runtimeDone"]
    assert path.texts() == ["END RequestId: abc123", "AAAABBBBCCCC"]


def test_half_a_text_that_nothing_continues_is_sent_as_it_is() -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(HEAD + b'"AAAA \\u00}]', 0)
    path.ingest(WHOLE)
    assert path.texts()[1:] == ["AAAA ", "whole"]
    assert path.drops.total("logs") == 0


def test_half_a_text_at_shutdown_is_sent_as_it_is() -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(HEAD + b'"AAAA}]', 0)
    path.processor.release_held()
    assert path.texts()[1:] == ["AAAA"]


@pytest.mark.parametrize(("age_ms", "texts"), [(1000, ["AAAABBBB"]), (1001, ["AAAA"])])
def test_half_a_record_waits_for_one_second(age_ms: int, texts: list[str]) -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(HEAD + b'"AAAA}]', 0)
    path.processor.ingest(HEAD + b'BBBB"},' + RUNTIME_DONE + b"]", age_ms)
    path.processor.release_held()
    assert path.texts()[1:][: len(texts)] == texts
    assert path.drops.total("logs") == (0 if age_ms <= 1000 else 1)


def test_failed_join_still_reads_every_other_record() -> None:
    path = Path()
    path.ingest(start())
    answered = ingest_all(
        path, b"[" + LEAD + HEAD[1:] + b'{"a":"AAAA}]', HEAD + b"x:" + b"}," + RUNTIME_DONE + TRAIL + b"]"
    )
    path.processor.release_held()
    assert [each.kind for each in answered] == ["platform.runtimeDone"]
    assert path.texts()[1:] == ["whole", "END RequestId: abc123", "whole"]


def test_redelivered_body_is_not_joined_with_its_own_half() -> None:
    body = post(event("function", "A" * 100), WHOLE)
    path = Path()
    path.ingest(start())
    ingest_all(path, body[:90], body)
    assert path.texts()[1:] == ["A" * 100, "whole"]


def test_fragment_above_four_mebibytes_is_not_kept() -> None:
    path = Path()
    path.ingest(start())
    path.processor.ingest(HEAD + b'{"a":"' + b"A" * (4 << 20) + b"}]", 0)
    assert path.drops.total("logs") == 1
    path.ingest(WHOLE)
    assert path.texts()[1:] == ["whole"]


def test_many_broken_beginnings_do_not_take_quadratic_time() -> None:
    path = Path()
    path.processor.ingest(b"[" + b",".join([HEAD[1:] + b'"'] * 60_000), 0)
    path.ingest(WHOLE)
    path.processor.release_held()
    assert path.texts()[-1] == "whole"
    assert path.drops.total("logs") >= 1
