"""`datadog.yaml`: the specification's vectors, what YAML 1.2 reads as text, broken files, and files that are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.fields import plain, values_of
from thimble.config import yaml_file
from thimble.config.environment import load_settings
from thimble.config.model import Settings
from thimble.config.yaml_file import read_yaml

MASK = "{type: mask_sequences, name: n, pattern: a+}"
JSON_MASK = '{"type":"mask_sequences","name":"n","pattern":"a+"}'


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load settings from a text of the file and an environment."""

    def load_with(text: str | bytes, environ: dict[str, str] | None = None) -> tuple[Settings, list[str]]:
        (tmp_path / "datadog.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_settings({"LAMBDA_TASK_ROOT": str(tmp_path)} | (environ or {}))

    return load_with


@pytest.mark.parametrize(
    ("text", "environ", "field", "value", "warning_count"),
    [
        ('tags: ["a:b","bad"]', {}, "tags", {"a": "b"}, 1),
        ('tags: ["k:v w"]', {}, "tags", {"k": "v w"}, 0),
        ("tags: a:b", {}, "tags", {}, 1),
        ("tags: [1, {a: b}, c:d]", {}, "tags", {"c": "d"}, 2),
        ('tags: ["a:b"]', {"DD_TAGS": "c:d"}, "tags", {"c": "d"}, 0),
        ('tags: ["a:b"]', {"DD_TAGS": "bad"}, "tags", {"a": "b"}, 1),
        ("logs_config: {compression_level: 1}", {"DD_COMPRESSION_LEVEL": "9"}, "logs_compression_level", 9, 0),
        ("compression_level: 5", {"DD_LOGS_CONFIG_COMPRESSION_LEVEL": "1"}, "logs_compression_level", 1, 0),
        ("compression_level: 5", {"DD_LOGS_CONFIG_COMPRESSION_LEVEL": "1"}, "apm_compression_level", 5, 0),
        ("compression_level: 5\napm_config: {compression_level: 2}", {}, "apm_compression_level", 2, 0),
        ('additional_endpoints: {"https://a.b": "k1", "https://c.d": ["k2", 7]}', {}, "additional_endpoints",
         {"https://c.d": ["k2"]}, 1),
        (f"logs_config: {{processing_rules: [{MASK}, {{type: x, name: n, pattern: b}}]}}", {}, "logs_processing_rules",
         (("mask_sequences", "n", "a+", ""),), 1),
        ("logs_config: {processing_rules: text}", {}, "logs_processing_rules", (), 1),
        (f"logs_config: {{processing_rules: '[{JSON_MASK}]'}}", {}, "logs_processing_rules",
         (("mask_sequences", "n", "a+", ""),), 0),
        (f"logs_config:\n  processing_rules: |\n    [\n     {JSON_MASK}\n    ]\n", {}, "logs_processing_rules",
         (("mask_sequences", "n", "a+", ""),), 0),
        (f"logs_config: {{processing_rules: '[{JSON_MASK}, 5]'}}", {}, "logs_processing_rules", (), 1),
        ("logs_config: {processing_rules: 5}", {}, "logs_processing_rules", (), 1),
        ("additional_endpoints: '{\"https://a.b\": [\"k1\"]}'", {}, "additional_endpoints", {"https://a.b": ["k1"]}, 0),
        ("logs_config: {additional_endpoints: [{api_key: k, Host: h, Port: 443, is_reliable: false, more: 1}]}",
         {}, "logs_additional_endpoints", (("k", "h", 443),), 0),
        ("logs_config: {additional_endpoints: [{api_key: k, Host: h, Port: 443, is_reliable: false}, {Host: h}]}",
         {}, "logs_additional_endpoints", (), 1),
        ("apm_config: {replace_tags: [{name: '*', pattern: a, repl: b}]}", {}, "apm_replace_tags",
         (("*", "a", "b"),), 0),
        ("apm_config: {replace_tags: [{name: '*', pattern: '(', repl: b}]}", {}, "apm_replace_tags", (), 1),
        ("serverless_logs_enabled: true", {"DD_LOGS_ENABLED": "false"}, "logs_enabled", False, 0),
        ("serverless_logs_enabled: false\nlogs_enabled: true", {}, "logs_enabled", True, 0),
        ("serverless_logs_enabled: false", {}, "logs_enabled", False, 0),
        ("site: datadoghq.eu", {"DD_SITE": ""}, "site", "datadoghq.eu", 0),
        ("site: datadoghq.eu", {"DD_SITE": "b.example"}, "site", "b.example", 0),
        ("env: true", {}, "env", "true", 0),
        ("env: on", {}, "env", "on", 0),
        ("version: 1.0", {}, "version", "1.0", 0),
        ("version: 1.10", {}, "version", "1.10", 0),
        ("version: 0123456", {}, "version", "0123456", 0),
        ("version: 2026-01-02", {}, "version", "2026-01-02", 0),
        ("version: 1:30", {}, "version", "1:30", 0),
        ("version: '~'", {}, "version", "~", 0),
        *[(f"version: {null}", {}, "version", "", 0) for null in ("", "~", "null", "''")],
        ("version: [1]", {}, "version", "", 1),
        ("enhanced_metrics: off", {}, "enhanced_metrics", True, 1),
        ("enhanced_metrics: FALSE", {}, "enhanced_metrics", False, 0),
        ("skip_ssl_validation: 'true'", {}, "skip_ssl_validation", True, 0),
        ("skip_ssl_validation: yes", {}, "skip_ssl_validation", False, 1),
        ("flush_timeout: 12", {}, "flush_timeout_s", 12, 0),
        ("flush_timeout: 0x1F", {}, "flush_timeout_s", 31, 0),
        ("flush_timeout: 0o17", {}, "flush_timeout_s", 15, 0),
        ("flush_timeout: 1_0", {}, "flush_timeout_s", 30, 1),
        ("flush_timeout: 12", {"DD_FLUSH_TIMEOUT": "x"}, "flush_timeout_s", 12, 1),
        ("span_dedup_timeout: 1.5e1", {}, "span_dedup_timeout_s", 15.0, 0),
        ("api_security_sample_delay: .5", {}, "api_security_sample_delay_s", 0.5, 0),
        ("api_security_sample_delay: .inf", {}, "api_security_sample_delay_s", 30.0, 1),
        ("proxy: {https: 'p:3128', no_proxy: [a, ' ', b]}", {}, "proxy_no_proxy", ("a", "b"), 0),
        ("proxy: {https: 'p:3128'}", {}, "proxy_https", "http://p:3128", 0),
        ("lambda_customer_metrics_exclude_tags: a, b", {}, "custom_metrics_exclude_tags", ("a", "b"), 0),
        ("apm_config: {features: [x, y]}", {}, "apm_features", ("x", "y"), 0),
        ("otlp_config: {traces: {span_name_remappings: {a: b, 'x:y': z, c: [1]}}}", {},
         "otlp_traces_span_name_remappings", {"a": "b", "x:y": "z"}, 1),
        ("otlp_config: {receiver: {protocols: {http: {endpoint: 'localhost:4319'}}}}", {}, "otlp_http_endpoint",
         "localhost:4319", 0),
        ("service_mapping: 'lambda_sqs:jobs, x'", {}, "service_mapping", {"lambda_sqs": "jobs"}, 1),
        ("trace_propagation_style: 'b3, tracecontext'", {}, "trace_propagation_style_extract",
         ("b3", "tracecontext"), 0),
        ("x: &x {a: 1}\ny: *x\nenv: first", {}, "env", "first", 0),
        ("a: &a [b:c]\ntags: *a", {}, "tags", {"b": "c"}, 0),
        ("\ufeffenv: yaml", {}, "env", "yaml", 0),
        ("dogstatsd_port: 9999\nlogs_config: 5\napm_config: text\nproxy: [1]\nenv: kept", {}, "env", "kept", 0),
        ("env: first\nenv: last", {}, "env", "last", 0),
        ("log_level: debug", {}, "log_verbosity", 3, 0),
    ],
)  # fmt: skip
def test_the_file_lies_below_the_environment(
    load: Any, text: str, environ: dict[str, str], field: str, value: Any, warning_count: int
) -> None:
    settings, warnings = load(text, environ)
    assert plain(getattr(settings, field)) == value
    assert len(warnings) == warning_count, warnings


BROKEN = [
    "site: [\n  bad: {\n", "env:\tyaml\n\ttags: x\n", "a: b\n---\nc: d\n", "{" * 5000, "[" * 200_000,
    "- a\n", "text", "42",
    "env: \x01", "a: *unknown", "a: 'open", "%YAML 9" + "9" * 5000 + ".1\n---\na: b", 'a: "\\UFFFFFFFF"', "a: &a [*a",
    b"env: \xff\xfe", b"\x00" * 100, "a: b\n c: d: e", "?" * 3000, "- " * 3000,
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_ignored_with_one_line(load: Any, text: str | bytes) -> None:
    settings, warnings = load(text, {"DD_ENV": "prod"})
    assert values_of(settings) == values_of(load_settings({"DD_ENV": "prod"})[0])
    (warning,) = warnings
    assert warning.startswith("datadog.yaml: ")
    assert len(warning) < 300


def test_the_line_of_a_mistake_is_named(load: Any) -> None:
    assert load("site: a.b\nenv: 'x\n")[1][0].startswith("datadog.yaml: line 3: ")


def test_an_alias_to_itself_and_a_tower_of_aliases_are_refused(load: Any) -> None:
    for rules in ("&a [*a]", "[" + ", ".join(["*r8"] * 9) + "]"):
        tower = "r0: &r0 [x]\n" + "".join(f"r{n}: &r{n} [{', '.join([f'*r{n - 1}'] * 9)}]\n" for n in range(1, 9))
        settings, warnings = load(f"{tower}logs_config:\n  processing_rules: {rules}\nenv: kept\n")
        assert settings.env == "kept"
        assert settings.logs_processing_rules == ()
        assert len(warnings) == 1


def test_a_mapping_within_itself_ends(load: Any) -> None:
    assert load("otlp_config: &a\n  traces: *a\nenv: kept\n")[0].env == "kept"


def test_the_largest_file_is_read_and_one_byte_more_is_not(load: Any) -> None:
    filling = "#" * (yaml_file.FILE_BYTES_MAX - len("env: yaml\n"))
    assert load(f"env: yaml\n{filling}")[0].env == "yaml"
    settings, warnings = load(f"env: yaml\n{filling}#")
    assert settings.env == ""
    assert warnings == ["datadog.yaml: the file has more than 262144 bytes and is ignored."]


def test_what_is_no_file_gives_one_line(tmp_path: Path) -> None:
    environ = {"LAMBDA_TASK_ROOT": str(tmp_path), "DD_ENV": "kept"}
    place = tmp_path / "datadog.yaml"
    place.mkdir()
    settings, warnings = load_settings(environ)
    assert warnings == ["datadog.yaml: the file cannot be read (Is a directory)."]
    assert settings.env == "kept"
    place.rmdir()
    place.symlink_to(place)
    assert load_settings(environ)[1] == ["datadog.yaml: the file cannot be read (Too many levels of symbolic links)."]
    place.unlink()
    os.mkfifo(place)
    assert load_settings(environ)[1] == []


@pytest.mark.parametrize("root", ["/nowhere", "", "/proc/self/status", "\x00", "x" * 5000])
def test_a_missing_file_is_no_mistake(root: str) -> None:
    assert [text for text in load_settings({"LAMBDA_TASK_ROOT": root})[1] if "long" not in text] == []


@given(
    st.text()
    | st.lists(st.sampled_from([*yaml_file.NAMES, ":", " ", "\n", "- ", "{", "[", "&a ", "*a", "'", "x"])).map("".join)
)
def test_reading_never_raises_for_any_text(text: str) -> None:
    layer = read_yaml(text.encode("utf-8", "replace"))
    assert set(layer.values) == set(layer.origins)


@given(
    st.sampled_from(list(yaml_file.NAMES)), st.sampled_from(["[1]", "{a: b}", "x", "-1", "[[{a: [b]}]]", "1.5", "''"])
)
def test_whatever_one_path_holds_the_others_keep_their_values(path: str, value: str) -> None:
    if path in ("env", "flush_timeout"):
        return
    *folders, name = path.split(".")
    text = "".join(f"{folder}: {{" for folder in folders) + f"{name}: {value}" + "}" * len(folders)
    layer = read_yaml(f"env: kept\n{text}\nflush_timeout: 7\n".encode())
    assert (layer.values["env"], layer.values["flush_timeout_s"]) == ("kept", 7)
    assert len(layer.problems) <= 2
