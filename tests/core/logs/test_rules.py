"""Processing rules: the vectors, the dialect, the order, and time that does not run away."""

from __future__ import annotations

import time

import pytest

from tests.core.logs.support import (
    R1,
    Path,
    billing,
    compiled_rules,
    event,
    init_start,
    report,
    rule,
    runtime_done,
    start,
)
from thimble.config.environment import load_settings
from thimble.core.drops import Drops
from thimble.core.logs.options import LineOptions
from thimble.core.logs.rules import LogRules

PHONE = r"(\d{3})-(\d{4})"
CALL = "call 555-1234 now"
LIFECYCLE = rule("exclude_at_match", "^(START|END|REPORT) RequestId")


@pytest.mark.parametrize(
    ("pattern", "placeholder", "text", "masked"),
    [
        (PHONE, "$1-XXXX", CALL, "call 555-XXXX now"),
        (PHONE, "$1_XXXX", CALL, "call  now"),
        (PHONE, "${1}_XXXX", CALL, "call 555_XXXX now"),
        (r"(\d{3})", "$$1", "555", "$1"),
        (r"(\d{3})", r"\1", "555", r"\1"),
        (r"\b4\d{15}\b", "[cc]", "card 4111111111111111 x", "card [cc] x"),
        ("x*", "-", "abxd", "-a-b-d-"),
        (r"\d", "N", "٣", "N"),
        ("secret", None, "a secret b", "a  b"),
        ("end$", "X", "end\n", "end\n"),
        ("(?m)end$", "X", "end\n", "X\n"),
        (r"end\z", "X", "an end", "an X"),
        ("a++", "X", "aaab", "Xb"),
        ("(?P<n>a)b", "<$n>", "ab", "<a>"),
        ("(?<n>a)b", "<${n}>", "ab", "<a>"),
        ("(a)|(b)", "<$2>", "ab", "<><b>"),
        ("a", "$", "a", "$"),
        ("a", "$ $-", "a", "$ $-"),
        ("a(?i)b", "X", "aB AB", "X AB"),
        ("(?i)straße", "X", "STRASSE STRAßE", "STRASSE X"),
        ("(?U)a+", "X", "aa", "XX"),
        ("(?x) a b # words", "X", "ab", "X"),
        ("[[:alpha:]]+", "X", "ab1c", "X1X"),
        (r"\p{Greek}+", "X", "aβδ", "aX"),
        (r"[a-z&&[^aeiou]]", "X", "abe", "aXe"),
        (r"[\w--\d]", "X", "a1", "X1"),
        (r"[a-c~~b-d]", "X", "abcd", "XbcX"),
        (r"\b{start}a", "X", "a ba", "X ba"),
        (r"a\b{end}", "X", "ab ba", "ab bX"),
        (r"\<a", "X", "a ba", "X ba"),
        (".", "X", "a\nb", "X\nX"),
        ("(?s).", "X", "a\nb", "XXX"),
        (r"\w", "X", "é", "X"),
        (r"\s", "X", "a\u00a0b", "aXb"),
        (r"\-\%\!", "X", "-%!", "X"),
    ],
)
def test_a_mask_speaks_the_dialect_of_the_reference(
    pattern: str, placeholder: str | None, text: str, masked: str
) -> None:
    assert compiled_rules(rule("mask_sequences", pattern, placeholder)).apply(text) == masked


@pytest.mark.parametrize(("pattern", "text"), [("end$", "end\n"), ("^b", "a\nb"), ("A", "a"), ("a.b", "a\nb")])
def test_a_line_that_is_not_matched_is_kept(pattern: str, text: str) -> None:
    assert compiled_rules(rule("exclude_at_match", pattern)).apply(text) == text


@pytest.mark.parametrize(
    "pattern", ["(", "(?=a)", r"(a)\1", r"a\Z", "{", "(?>a)", "a{1000}{1000}{1000}", "(?P<1>a)", "*"]
)
def test_only_the_pattern_that_cannot_be_compiled_is_left_out(pattern: str) -> None:
    rules = compiled_rules(rule("exclude_at_match", pattern, name="bad"), rule("exclude_at_match", "x"))
    assert len(rules) == 1
    assert rules.apply("x") is None
    assert rules.apply("y") == "y"
    (refusal,) = rules.refused
    assert "rule bad is left out" in refusal


def test_include_then_exclude_drops_what_is_both() -> None:
    rules = compiled_rules(rule("include_at_match", "ok"), rule("exclude_at_match", "ok.*bad"))
    assert rules.apply("ok but bad") is None
    assert rules.apply("ok") == "ok"
    assert rules.apply("neither") is None


def test_a_mask_changes_what_later_rules_see() -> None:
    rules = compiled_rules(rule("mask_sequences", "secret", "x"), rule("exclude_at_match", "secret"))
    assert rules.apply("a secret") == "a x"


def test_several_include_rules_must_all_match() -> None:
    rules = compiled_rules(rule("include_at_match", "a"), rule("include_at_match", "b"))
    assert (rules.apply("ab"), rules.apply("a"), rules.apply("b")) == ("ab", None, None)


def test_one_unknown_type_in_the_environment_refuses_all_rules() -> None:
    text = '[{"type":"exclude_at_match","name":"a","pattern":"x"},{"type":"nope","name":"b","pattern":"y"}]'
    settings, warnings = load_settings({"DD_LOGS_CONFIG_PROCESSING_RULES": text})
    assert len(LogRules(settings.logs_processing_rules, Drops())) == 0
    assert len(warnings) == 1


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*a){20}$", "(?:a?){30}a{30}$"])
def test_no_pattern_stalls_on_a_long_line(pattern: str) -> None:
    rules = compiled_rules(rule("exclude_at_match", pattern), rule("mask_sequences", pattern, ""))
    line = "a" * 100_000 + "!"
    begin = time.process_time()
    rules.apply(line)
    assert time.process_time() - begin < 5.0


def test_lifecycle_lines_can_be_excluded_and_orphans_are_released_all_the_same() -> None:
    saved = Drops()
    path = Path(options=LineOptions(compiled_rules(LIFECYCLE, saved=saved)), saved=saved)
    path.ingest(
        init_start(),
        event("function", "import done"),
        event("extension", "hello"),
        event(
            "platform.initReport", {"initializationType": "on-demand", "phase": "init", "metrics": {"durationMs": 1}}
        ),
        start(),
        event("function", "work"),
        runtime_done(5.0),
        event("function", "late"),
        report(billing(6.0, 6)),
    )
    lines = path.lines()
    assert [line[0].split(" ")[0] for line in lines] == ["INIT_START", "import", "hello", "work", "late"]
    assert {line[1] for line in lines} == {R1}
    assert saved.report()[0] == "3 lines (n)"


def test_rules_see_the_text_after_tags_were_taken_and_leave_status_and_tags_alone() -> None:
    path = Path(options=LineOptions(compiled_rules(rule("mask_sequences", "team|boom", "*"))))
    path.ingest(start(), event("function", '{"level":"error","ddtags":"team:pay","message":"boom team"}'))
    entry = path.entries()[-1]
    assert entry["message"]["message"] == '{"level":"error","message":"* *"}'
    assert entry["message"]["status"] == "error"
    assert entry["ddtags"] == "T,team:pay"


def test_a_masked_text_need_not_be_json_any_more() -> None:
    path = Path(options=LineOptions(compiled_rules(rule("mask_sequences", '"', "\n"))))
    path.ingest(start(), event("function", {"a": "é"}))
    assert path.texts()[-1] == "{\na\n:\né\n}"


def test_an_excluded_line_still_tells_of_exhausted_memory() -> None:
    path = Path(options=LineOptions(compiled_rules(rule("exclude_at_match", "Error"))))
    answered = path.ingest(start(), event("function", "MemoryError"))
    assert [item.kind for item in answered] == ["platform.start", "out_of_memory"]
    assert path.texts() == ["START RequestId: " + R1 + " Version: $LATEST"]


def test_a_line_without_its_invocation_passes_the_rules_once() -> None:
    path = Path(options=LineOptions(compiled_rules(rule("mask_sequences", "a", "aa"))))
    path.ingest(event("function", "a"), start())
    assert path.texts()[-1] == "aa"


def test_dropped_lines_and_bytes_are_counted_by_the_rules_name() -> None:
    saved = Drops()
    rules = compiled_rules(rule("exclude_at_match", "é", name="accents"), saved=saved)
    rules.apply("éa")
    rules.apply("é")
    rules.apply('"é"\n')
    assert saved.report() == ["3 lines (accents)", "13 bytes of lines (accents)"], "as in a payload, escapes included"
