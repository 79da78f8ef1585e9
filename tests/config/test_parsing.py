"""Each field parser through a setting of its kind: the specification's vectors, bounds, one beyond, text, empty."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config.fields import plain
from thimble.config.environment import load_settings
from thimble.config.layers import quoted

MASK = '{"type":"mask_sequences","name":"n","pattern":"a+"}'
GRPC_SIZE = "DD_OTLP_CONFIG_RECEIVER_PROTOCOLS_GRPC_MAX_RECV_MSG_SIZE_MIB"
UNKNOWN = '{"type":"x","name":"n","pattern":"b"}'


def loaded(field: str, environ: dict[str, str]) -> tuple[Any, list[str]]:
    settings, warnings = load_settings(environ)
    return plain(getattr(settings, field)), warnings


@pytest.mark.parametrize(
    ("name", "text", "field", "value", "warning_count"),
    [
        # KV
        ("DD_TAGS", "team:core,env:stg version:2", "tags", {"team": "core", "env": "stg", "version": "2"}, 0),
        ("DD_TAGS", "a:b,,c: ,d", "tags", {"a": "b"}, 2),
        ("DD_TAGS", "url:http://x:80/y", "tags", {"url": "http://x:80/y"}, 0),
        ("DD_TAGS", "k:1,k:2", "tags", {"k": "2"}, 0),
        ("DD_TAGS", "a:1\tb:2", "tags", {"a": "1\tb:2"}, 0),
        ("DD_TAGS", '"a:b"', "tags", {"a": "b"}, 0),
        ("DD_TAGS", "42", "tags", {}, 1),
        ("DD_TAGS", "true", "tags", {}, 1),
        ("DD_TAGS", "", "tags", {}, 0),
        ("DD_TAGS", "{}", "tags", {}, 1),
        ("DD_TAGS", ":v", "tags", {}, 1),
        ("DD_TAGS", "caf\u00e9:\u00fc", "tags", {"caf\u00e9": "\u00fc"}, 0),
        ("DD_OTLP_CONFIG_TRACES_SPAN_NAME_REMAPPINGS", "a:b", "otlp_traces_span_name_remappings", {"a": "b"}, 0),
        # SMAP
        (
            "DD_SERVICE_MAPPING", "lambda_sqs:q, orders : billing ,bad,a:b:c", "service_mapping",
            {"lambda_sqs": "q", "orders": "billing", "a": "b"}, 1,
        ),
        ("DD_SERVICE_MAPPING", "a:b,", "service_mapping", {"a": "b"}, 0),
        ("DD_SERVICE_MAPPING", "", "service_mapping", {}, 1),
        # FILT
        (
            "DD_APM_FILTER_TAGS_REQUIRE", "env:prod  key: http.url:http://h:8 :v", "apm_filter_tags_require",
            ("env:prod", "key", "http.url:http://h:8"), 1,
        ),
        ("DD_APM_FILTER_TAGS_REGEX_REJECT", "42", "apm_filter_tags_regex_reject", ("42",), 0),
        ("DD_APM_FILTER_TAGS_REJECT", "", "apm_filter_tags_reject", (), 0),
        # CSV
        ("DD_PROXY_NO_PROXY", " a , ,b", "proxy_no_proxy", ("a", "b"), 0),
        ("DD_PROXY_NO_PROXY", "10", "proxy_no_proxy", ("10",), 0),
        ("DD_APM_FEATURES", "true", "apm_features", ("true",), 0),
        ("DD_LAMBDA_CUSTOMER_METRICS_EXCLUDE_TAGS", "memorysize, region", "custom_metrics_exclude_tags",
         ("memorysize", "region"), 0),
        ("DD_LAMBDA_CUSTOMER_METRICS_EXCLUDE_TAGS", "1", "custom_metrics_exclude_tags", ("1",), 0),
        # STYLES
        ("DD_TRACE_PROPAGATION_STYLE", "Datadog, b3 ,zipkin", "trace_propagation_style", ("datadog", "b3"), 1),
        ("DD_TRACE_PROPAGATION_STYLE", "Datadog, b3 ,zipkin", "trace_propagation_style_extract", ("datadog", "b3"), 1),
        ("DD_TRACE_PROPAGATION_STYLE", "zipkin", "trace_propagation_style", ("datadog", "tracecontext"), 1),
        ("DD_TRACE_PROPAGATION_STYLE", "", "trace_propagation_style", ("datadog", "tracecontext"), 0),
        ("DD_TRACE_PROPAGATION_STYLE_EXTRACT", "b3multi", "trace_propagation_style_extract", ("b3multi",), 0),
        ("DD_TRACE_PROPAGATION_STYLE_EXTRACT", "b3multi", "trace_propagation_style", ("datadog", "tracecontext"), 0),
        # BOOL
        *[("DD_SKIP_SSL_VALIDATION", text, "skip_ssl_validation", True, 0)
          for text in ("true", "TRUE", "1", "1.0", "01", " true ")],
        *[("DD_ENHANCED_METRICS", text, "enhanced_metrics", False, 0) for text in ("false", "False", "0", "0.0")],
        *[("DD_SKIP_SSL_VALIDATION", text, "skip_ssl_validation", False, 1)
          for text in ("yes", "t", "on", "2", "", "0.5", "-1", "tru", "nan")],
        ("DD_SERVERLESS_APPSEC_ENABLED", "t", "serverless_appsec_enabled", True, 0),
        ("DD_SERVERLESS_APPSEC_ENABLED", "T", "serverless_appsec_enabled", True, 0),
        ("DD_SERVERLESS_APPSEC_ENABLED", "yes", "serverless_appsec_enabled", False, 1),
        # UINT and INT, with their bounds
        ("DD_FLUSH_TIMEOUT", "12", "flush_timeout_s", 12, 0),
        ("DD_FLUSH_TIMEOUT", "+012", "flush_timeout_s", 12, 0),
        *[("DD_FLUSH_TIMEOUT", text, "flush_timeout_s", 30, 1)
          for text in ("-1", "2.5", "10s", "", "0", "18446744073709551616", "9" * 5000, "\u0663", "1e3", "-", "-0")],
        ("DD_FLUSH_TIMEOUT", "1", "flush_timeout_s", 1, 0),
        ("DD_FLUSH_TIMEOUT", "86401", "flush_timeout_s", 86_400, 0),
        ("DD_LOGS_CONFIG_COMPRESSION_LEVEL", "-7", "logs_compression_level", -7, 0),
        ("DD_LOGS_CONFIG_COMPRESSION_LEVEL", "-8", "logs_compression_level", -7, 0),
        ("DD_LOGS_CONFIG_COMPRESSION_LEVEL", "22", "logs_compression_level", 22, 0),
        ("DD_LOGS_CONFIG_COMPRESSION_LEVEL", "23", "logs_compression_level", 22, 0),
        ("DD_LOGS_CONFIG_COMPRESSION_LEVEL", "2147483648", "logs_compression_level", 3, 1),
        ("DD_LOGS_CONFIG_COMPRESSION_LEVEL", "-2147483649", "logs_compression_level", 3, 1),
        ("DD_LOGS_CONFIG_COMPRESSION_LEVEL", "high", "logs_compression_level", 3, 1),
        ("DD_DOGSTATSD_BUFFER_SIZE", "0", "dogstatsd_buffer_size", 8192, 1),
        ("DD_DOGSTATSD_BUFFER_SIZE", "1", "dogstatsd_buffer_size", 1, 0),
        ("DD_DOGSTATSD_BUFFER_SIZE", "65537", "dogstatsd_buffer_size", 65_536, 0),
        ("DD_DOGSTATSD_QUEUE_SIZE", "0", "dogstatsd_queue_size", 1024, 1),
        ("DD_DOGSTATSD_SO_RCVBUF", "0", "dogstatsd_so_rcvbuf", 0, 0),
        ("DD_DOGSTATSD_SO_RCVBUF", "4294967296", "dogstatsd_so_rcvbuf", 2**31 - 1, 0),
        (GRPC_SIZE, "0", "otlp_grpc_max_recv_msg_size_mib", 4, 1),
        (GRPC_SIZE, "50", "otlp_grpc_max_recv_msg_size_mib", 50, 0),
        (GRPC_SIZE, "51", "otlp_grpc_max_recv_msg_size_mib", 50, 1),
        ("THIMBLE_MAX_BILLED_MS_PER_INVOCATION", "250", "max_billed_ms_per_invocation", 250, 0),
        ("THIMBLE_MAX_BILLED_MS_PER_INVOCATION", "x", "max_billed_ms_per_invocation", 2000, 1),
        ("THIMBLE_DOGSTATSD_HISTOGRAMS", "Distribution", "dogstatsd_histograms", "distribution", 0),
        ("THIMBLE_DOGSTATSD_HISTOGRAMS", "off", "dogstatsd_histograms", "", 0),
        ("THIMBLE_DOGSTATSD_HISTOGRAMS", "true", "dogstatsd_histograms", "", 1),
        # SECS, SECS0, MICROS
        ("DD_SPAN_DEDUP_TIMEOUT", "5", "span_dedup_timeout_s", 5.0, 0),
        ("DD_SPAN_DEDUP_TIMEOUT", "1.5", "span_dedup_timeout_s", 1.5, 0),
        ("DD_SPAN_DEDUP_TIMEOUT", "0.5", "span_dedup_timeout_s", 0.0, 0),
        ("DD_SPAN_DEDUP_TIMEOUT", "0", "span_dedup_timeout_s", 0.0, 0),
        ("DD_SPAN_DEDUP_TIMEOUT", "-1", "span_dedup_timeout_s", 0.0, 1),
        ("DD_API_KEY_SECRET_RELOAD_INTERVAL", "60", "api_key_secret_reload_interval_s", 60.0, 0),
        ("DD_API_SECURITY_SAMPLE_DELAY", "60", "api_security_sample_delay_s", 60.0, 0),
        ("DD_API_SECURITY_SAMPLE_DELAY", "0", "api_security_sample_delay_s", 0.0, 0),
        ("DD_API_SECURITY_SAMPLE_DELAY", "0.25", "api_security_sample_delay_s", 0.25, 0),
        *[("DD_API_SECURITY_SAMPLE_DELAY", text, "api_security_sample_delay_s", 30.0, 1)
          for text in ("x", "", "-0.5", "nan", "inf", "1e5", "1000000001", ".", "1.2.3")],
        ("DD_APPSEC_WAF_TIMEOUT", "2500", "appsec_waf_timeout_us", 2500, 0),
        ("DD_APPSEC_WAF_TIMEOUT", "1.5", "appsec_waf_timeout_us", 5000, 1),
        ("DD_APPSEC_WAF_TIMEOUT", "-1", "appsec_waf_timeout_us", 5000, 1),
        # NS
        ("DD_STATSD_METRIC_NAMESPACE", " my.app_1 ", "statsd_metric_namespace", "my.app_1", 0),
        ("DD_STATSD_METRIC_NAMESPACE", "a", "statsd_metric_namespace", "a", 0),
        ("DD_STATSD_METRIC_NAMESPACE", "a._.", "statsd_metric_namespace", "a._.", 0),
        *[("DD_STATSD_METRIC_NAMESPACE", text, "statsd_metric_namespace", "", 1)
          for text in ("1x", "a-b", "_a", "\u00e9a", "a b")],
        ("DD_STATSD_METRIC_NAMESPACE", "", "statsd_metric_namespace", "", 0),
        # STR
        ("DD_VERSION", "1.10", "version", "1.10", 0),
        ("DD_VERSION", "0123456", "version", "0123456", 0),
        ("DD_VERSION", "2.0.0", "version", "2.0.0", 0),
        ("DD_VERSION", " 7 ", "version", "7", 0),
        ("DD_VERSION", "1.0", "version", "1.0", 0),
        ("DD_ENV", "true", "env", "true", 0),
        ("DD_ENV", "  ", "env", "", 0),
        ("DD_SERVICE", "[x]", "service", "[x]", 0),
        ("DD_SERVICE", '"quoted"', "service", "quoted", 0),
        ("DD_SERVICE", '"', "service", '"', 0),
        ("DD_SERVICE", "bad\udc80", "service", "bad?", 0),
        ("DD_API_KEY", "12345", "api_key", "12345", 0),
        ("DD_API_KEY", " a b\tc\r\n\n", "api_key", "abc", 0),
        ("DD_TLS_CERT_FILE", "", "tls_cert_file", "", 0),
        ("DD_OTLP_CONFIG_RECEIVER_PROTOCOLS_HTTP_ENDPOINT", "", "otlp_http_endpoint", "", 0),
        # LEVEL
        ("DD_LOG_LEVEL", "Debug", "log_verbosity", 4, 0),
        ("DD_LOG_LEVEL", "off", "log_verbosity", 0, 0),
        ("DD_LOG_LEVEL", "critical", "log_verbosity", 1, 0),
        ("DD_LOG_LEVEL", "", "log_verbosity", 3, 0),
        ("DD_LOG_LEVEL", "loud", "log_verbosity", 3, 1),
        # AEP
        ("DD_ADDITIONAL_ENDPOINTS", '{"https://app.datadoghq.eu":["k1","k2"]}', "additional_endpoints",
         {"https://app.datadoghq.eu": ["k1", "k2"]}, 0),
        ("DD_ADDITIONAL_ENDPOINTS", '{"https://a.b":[" k 1\\n",""]}', "additional_endpoints",
         {"https://a.b": ["k1", ""]}, 0),
        ("DD_ADDITIONAL_ENDPOINTS", '{"https://a.b/":["k1"],"https://a.b":["k2"]}', "additional_endpoints",
         {"https://a.b": ["k1", "k2"]}, 0),
        ("DD_ADDITIONAL_ENDPOINTS", '{"https://a b":["k"],"https://c.d":["k"]}', "additional_endpoints",
         {"https://c.d": ["k"]}, 1),
        *[("DD_ADDITIONAL_ENDPOINTS", text, "additional_endpoints", {}, 1)
          for text in ('{"https://a.b":"k1"}', '{"https://a.b":["k",1],"https://c.d":["k"]}', "[]", "text", "{", "1")],
        ("DD_ADDITIONAL_ENDPOINTS", "", "additional_endpoints", {}, 0),
        ("DD_APM_ADDITIONAL_ENDPOINTS", '{"https://A.b/":["k"]}', "apm_additional_endpoints",
         {"https://A.b": ["k"]}, 0),
        # LAEP
        ("DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS", '[{"api_key":"k","Host":"h","Port":443,"is_reliable":false}]',
         "logs_additional_endpoints", (("k", "h", 443),), 0),
        ("DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS", '[{"api_key":"k","Host":"h","Port":65536,"is_reliable":false}]',
         "logs_additional_endpoints", (("k", "h", 65536),), 0),
        ("DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS", '[{"api_key":" k 2\\n","Host":"h","Port":1,"is_reliable":false}]',
         "logs_additional_endpoints", (("k2", "h", 1),), 0),
        *[("DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS", text, "logs_additional_endpoints", (), 1) for text in (
            '[{"api_key":"k","Host":"h","Port":443}]',
            '[{"api_key":"k","Host":"h","Port":-1,"is_reliable":true}]',
            '[{"api_key":"k","Host":"h","Port":4294967296,"is_reliable":true}]',
            '[{"api_key":"k","Host":"h","Port":true,"is_reliable":true}]',
            '[{"api_key":"k","Host":1,"Port":443,"is_reliable":true}]',
            '[{"api_key":"k","Host":"h","Port":443,"is_reliable":1}]', "{}", "[1]", "h:443",
        )],
        # PRULES
        ("DD_LOGS_CONFIG_PROCESSING_RULES", f"[{MASK}]", "logs_processing_rules",
         (("mask_sequences", "n", "a+", ""),), 0),
        ("DD_LOGS_CONFIG_PROCESSING_RULES",
         '[{"type":"exclude_at_match","name":"n","pattern":"a","replace_placeholder":"$1"}]',
         "logs_processing_rules", (("exclude_at_match", "n", "a", "$1"),), 0),
        *[("DD_LOGS_CONFIG_PROCESSING_RULES", text, "logs_processing_rules", (), 1) for text in (
            f"[{MASK},{UNKNOWN}]", '[{"type":"mask_sequences","pattern":"a"}]', "", "null", "[1]",
            '[{"type":"mask_sequences","name":"n","pattern":"a","replace_placeholder":1}]',
        )],
        # RRULES
        ("DD_APM_REPLACE_TAGS", '[{"name":"*","pattern":"a","repl":"$1"}]', "apm_replace_tags", (("*", "a", "$1"),), 0),
        *[("DD_APM_REPLACE_TAGS", text, "apm_replace_tags", (), 1) for text in (
            '[{"name":"*","pattern":"(","repl":""}]', '[{"name":"*","pattern":"a"}]', "", "{}",
            '[{"name":"*","pattern":"a","repl":"b"},{"name":1,"pattern":"a","repl":"b"}]',
        )],
    ],
)  # fmt: skip
def test_a_text_is_read_by_the_type_of_its_field(
    name: str, text: str, field: str, value: Any, warning_count: int
) -> None:
    seen, warnings = loaded(field, {name: text})
    assert seen == value
    assert type(seen) is type(value)
    assert len(warnings) == warning_count, warnings
    assert all(warning.startswith(f"{name}: ") and warning.endswith(".") for warning in warnings)


@pytest.mark.parametrize(
    ("text", "strategy", "warning_count"),
    [
        ("end", "end", 0), ("end,1000", "end,1000", 0), ("continuously,5000", "continuously,5000", 0),
        ("default", "default", 0), ("", "default", 0), ("5000", "default", 1), ("End", "default", 1),
        ("periodically, 500", "default", 1), ("periodically,0", "default", 1),
    ],
)  # fmt: skip
def test_the_flush_strategy_is_read_by_its_grammar(text: str, strategy: str, warning_count: int) -> None:
    settings, warnings = load_settings({"DD_SERVERLESS_FLUSH_STRATEGY": text})
    assert str(settings.flush_strategy) == strategy
    assert len(warnings) == warning_count


@pytest.mark.parametrize(
    ("environ", "is_on"),
    [
        ({}, True),
        ({"DD_LOGS_ENABLED": "false"}, False),
        ({"DD_LOGS_ENABLED": "true"}, True),
        ({"DD_SERVERLESS_LOGS_ENABLED": "false"}, False),
        ({"DD_SERVERLESS_LOGS_ENABLED": "false", "DD_LOGS_ENABLED": "true"}, True),
        ({"DD_SERVERLESS_LOGS_ENABLED": "true", "DD_LOGS_ENABLED": "false"}, True),
        ({"DD_SERVERLESS_LOGS_ENABLED": "false", "DD_LOGS_ENABLED": "false"}, False),
        ({"DD_LOGS_ENABLED": "maybe"}, True),
        ({"DD_LOGS_ENABLED": "maybe", "DD_SERVERLESS_LOGS_ENABLED": "false"}, False),
    ],
)
def test_either_of_the_two_log_switches_turns_logs_on(environ: dict[str, str], is_on: bool) -> None:
    assert load_settings(environ)[0].logs_enabled is is_on


@pytest.mark.parametrize(
    ("environ", "levels"),
    [
        ({"DD_COMPRESSION_LEVEL": "9"}, (9, 9, 9)),
        ({"DD_COMPRESSION_LEVEL": "9", "DD_LOGS_CONFIG_COMPRESSION_LEVEL": "1"}, (1, 9, 9)),
        ({"DD_COMPRESSION_LEVEL": "9", "DD_APM_CONFIG_COMPRESSION_LEVEL": "bad"}, (9, 9, 9)),
        ({"DD_COMPRESSION_LEVEL": "bad", "DD_METRICS_CONFIG_COMPRESSION_LEVEL": "5"}, (3, 3, 5)),
        ({"DD_COMPRESSION_LEVEL": "40"}, (22, 22, 22)),
    ],
)
def test_the_global_compression_level_stands_for_the_specific_ones(
    environ: dict[str, str], levels: tuple[int, int, int]
) -> None:
    settings, _ = load_settings(environ)
    assert (
        settings.logs_compression_level,
        settings.apm_compression_level,
        settings.metrics_compression_level,
    ) == levels


@pytest.mark.parametrize(
    ("environ", "tags"),
    [
        ({"DD_EXTRA_TAGS": "a:1,b:2"}, {"a": "1", "b": "2"}),
        ({"DD_EXTRA_TAGS": "a:1,b:2", "DD_TAGS": "b:3,c:4"}, {"a": "1", "b": "3", "c": "4"}),
        ({"DD_EXTRA_TAGS": "bad", "DD_TAGS": "b:3"}, {"b": "3"}),
    ],
)
def test_extra_tags_give_way_to_tags_key_by_key(environ: dict[str, str], tags: dict[str, str]) -> None:
    assert load_settings(environ)[0].tags == tags


def test_a_warning_about_a_url_shows_no_password() -> None:
    assert quoted("https://me:s3cret@host/path@x") == '"https://***@host/path@x"'
    assert quoted("https://host/a@b") == '"https://host/a@b"'
    assert quoted("me@host") == '"me@host"'
