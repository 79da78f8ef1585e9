"""What each setting means, for users: the source of docs/settings.md and of `thimble config`.

Keyed by field of `thimble.config.model.Settings`, plus the three names that fold into other fields. Names, parsers and
defaults are not repeated here: they are read from where they are defined.
"""

# Not compiled: texts for people, never loaded in the sandbox process.

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """One setting: what it does, its unit ('' where the type says all), its bounds, and who should change it."""

    group: str
    meaning: str
    who: str
    unit: str = ""
    bounds: str = ""


KEY: Final = "Key and tags"
EGRESS: Final = "Intake and network"
FLUSH: Final = "Flushing"
LOGS: Final = "Logs"
APM: Final = "Traces"
METRICS: Final = "Metrics"
APPSEC: Final = "AppSec"
OTLP: Final = "OTLP"
RARE: Final = "Rarely used"

GROUPS: Final = (KEY, EGRESS, FLUSH, LOGS, APM, METRICS, APPSEC, OTLP, RARE)

EVERYBODY: Final = "everybody"
MANY: Final = "many"
FEW: Final = "few"
SUPPORT: Final = "nobody without a reason"

LEVELS: Final = "-7 to 22; moved to the nearest bound"
DUAL: Final = "users who send the same data to several organisations"

REFERENCE: Final[dict[str, Entry]] = {
    # Key and tags
    "api_key": Entry(KEY, "The Datadog API key in plain text. All white space in it is removed.", EVERYBODY),
    "api_key_secret_arn": Entry(
        KEY, "ARN or name of a Secrets Manager secret that holds the API key. It goes before `DD_API_KEY`.", MANY
    ),
    "kms_api_key": Entry(KEY, "The API key as a KMS ciphertext.", MANY, unit="base64"),
    "api_key_ssm_arn": Entry(KEY, "ARN or name of an SSM parameter that holds the API key.", MANY),
    "org_uuid": Entry(KEY, "Datadog organisation for which a key is asked with the function's own AWS identity.", FEW),
    "api_key_secret_reload_interval_s": Entry(
        KEY,
        "Resolve the key again at most this often, for keys that rotate. Unset: once per sandbox.",
        FEW,
        unit="seconds",
        bounds="at least 1; less counts as unset",
    ),
    "env": Entry(KEY, "Environment of the function, the tag `env`.", EVERYBODY),
    "service": Entry(KEY, "Service of the function, the tag `service` (in lower case).", EVERYBODY),
    "version": Entry(KEY, "Version of the function, the tag `version`. Taken as text: `1.10` stays `1.10`.", EVERYBODY),
    "tags": Entry(
        KEY,
        "Tags on all data: `key:value` between commas or spaces. They replace computed tags of the same key.",
        EVERYBODY,
    ),
    "extra_tags": Entry(KEY, "More tags, which give way to `DD_TAGS` key by key.", FEW),
    # Intake and network
    "site": Entry(EGRESS, "Datadog site: `datadoghq.com`, `datadoghq.eu`, `us3.datadoghq.com` ...", EVERYBODY),
    "dd_url": Entry(EGRESS, "Base URL of metrics in place of the site's.", FEW),
    "url": Entry(EGRESS, "As `DD_DD_URL`, used when that one is unset.", FEW),
    "proxy_https": Entry(
        EGRESS,
        "HTTP proxy for everything sent to Datadog. Unset: `HTTPS_PROXY`, `https_proxy`, `ALL_PROXY` or `all_proxy`. "
        "Not used when `NO_PROXY` or `DD_PROXY_NO_PROXY` contains the site.",
        MANY,
    ),
    "proxy_no_proxy": Entry(EGRESS, "Hosts that are reached without the proxy.", FEW),
    "http_protocol": Entry(EGRESS, "Accepted for compatibility. HTTP/1.1 is always used.", SUPPORT),
    "tls_cert_file": Entry(
        EGRESS, "PEM file with further CA certificates to trust, for a proxy that inspects TLS.", FEW
    ),
    "skip_ssl_validation": Entry(
        EGRESS, "Do not check certificates of the intake. Never applies to AWS.", "nobody outside of tests"
    ),
    "additional_endpoints": Entry(
        EGRESS, "More destinations of metrics: JSON object of URLs to lists of API keys.", DUAL
    ),
    # Flushing
    "flush_strategy": Entry(
        FLUSH,
        "When to send: `default` (at the end, adapting to busy functions), `end`, `end,<ms>`, `periodically,<ms>` or "
        "`continuously,<ms>`.",
        MANY,
        bounds="<ms> at least 1",
    ),
    "flush_timeout_s": Entry(
        FLUSH, "Time-out of one request to an intake.", FEW, unit="seconds", bounds="1 to 86400; 0 is refused"
    ),
    "compression_level": Entry(
        FLUSH, "zstd level of logs, traces and metrics, where no level of their own is set.", FEW, bounds=LEVELS
    ),
    "max_billed_ms_per_invocation": Entry(
        FLUSH,
        "The most that a flush may add to one invocation after the function is done. What is unsent stays queued.",
        FEW,
        unit="milliseconds",
        bounds="0 to 900000",
    ),
    # Logs
    "serverless_logs_enabled": Entry(LOGS, "Send logs. This or `DD_LOGS_ENABLED` being true turns them on.", MANY),
    "logs_enabled": Entry(LOGS, "The same switch under its older name.", MANY),
    "logs_dd_url": Entry(LOGS, "Base URL of the logs intake in place of the site's.", FEW),
    "logs_processing_rules": Entry(
        LOGS,
        "Rules that drop or mask log messages, in order: JSON array of objects with `type` (`exclude_at_match`, "
        "`include_at_match`, `mask_sequences`), `name`, `pattern` and `replace_placeholder`.",
        MANY,
    ),
    "logs_use_compression": Entry(LOGS, "Compress logs with zstd.", SUPPORT),
    "logs_compression_level": Entry(LOGS, "zstd level of logs.", FEW, bounds=LEVELS),
    "logs_additional_endpoints": Entry(
        LOGS,
        "More destinations of logs: JSON array of objects with `api_key`, `Host`, `Port` and `is_reliable`.",
        DUAL,
        bounds="`Port` 1 to 65535; an endpoint with another one is left out",
    ),
    "pipelines_worker_logs_enabled": Entry(
        LOGS, "Send logs to an Observability Pipelines Worker in place of Datadog.", FEW
    ),
    "pipelines_worker_logs_url": Entry(LOGS, "The worker's full URL, used as it is.", FEW),
    "durable_function_log_buffer_size": Entry(
        LOGS,
        "Requests whose logs wait for the context of their durable execution. 0: none waits.",
        "users of durable functions",
        unit="requests",
        bounds="0 or more",
    ),
    "logs_min_level": Entry(
        LOGS,
        "The lowest level that is sent: `trace`, `debug`, `info`, `warn`, `error` or `critical`. The level is taken "
        "from JSON fields, from Lambda's prefixes and from the columns of usual loggers; a line without one is `info`. "
        "Metrics do not change.",
        MANY,
    ),
    "logs_platform": Entry(
        LOGS,
        "Which of the platform's own lines are sent: `all`, only `report`, or `off`. Metrics do not change.",
        MANY,
    ),
    "logs_keep": Entry(
        LOGS,
        "Hold lines below the lowest level (`info` if none is set) by request, and send them all, with the tag "
        "`kept_for:<why>`, when the invocation met one of these conditions: `errors` (error, time-out, out of memory, "
        "answer of 500 to 599), `slow:<ms>`, `cold`, `percent:<p>`, `trace` (its trace is kept). Between `|` or `,`. "
        "At the shutdown one line at INFO says how many lines and bytes the settings of logs saved, by the reason.",
        MANY,
    ),
    # Traces
    "apm_dd_url": Entry(APM, "Base URL of traces in place of the site's. Does not apply to trace stats.", FEW),
    "apm_additional_endpoints": Entry(
        APM, "More destinations of traces: JSON object of URLs to lists of API keys.", DUAL
    ),
    "apm_replace_tags": Entry(
        APM,
        "Rules that rewrite span tags: JSON array of objects with `name` (a tag, `resource.name` or `*`), `pattern` "
        "and `repl`.",
        MANY,
    ),
    "apm_obfuscation_http_remove_query_string": Entry(APM, "Remove query strings from `http.url`.", FEW),
    "apm_obfuscation_http_remove_paths_with_digits": Entry(
        APM, "Replace path segments that hold digits by `?` in `http.url`.", FEW
    ),
    "apm_compression_level": Entry(APM, "zstd level of traces.", FEW, bounds=LEVELS),
    "apm_features": Entry(APM, "Names of features of the trace pipeline, for OTLP.", SUPPORT),
    "apm_filter_tags_require": Entry(
        APM, "Keep a trace only if its root span has all of these: `key` or `key:value` between spaces.", FEW
    ),
    "apm_filter_tags_reject": Entry(APM, "Drop a trace if its root span has any of these.", FEW),
    "apm_filter_tags_regex_require": Entry(APM, "As `DD_APM_FILTER_TAGS_REQUIRE`, values being patterns.", FEW),
    "apm_filter_tags_regex_reject": Entry(APM, "As `DD_APM_FILTER_TAGS_REJECT`, values being patterns.", FEW),
    "service_mapping": Entry(
        APM, "Other service names for the spans of triggers: `from:to` between commas, as `lambda_sqs:jobs`.", MANY
    ),
    "trace_aws_service_representation_enabled": Entry(
        APM, "Name the service of a trigger's span after the resource rather than after the AWS service.", MANY
    ),
    "trace_propagation_style": Entry(
        APM,
        "How trace context travels: `datadog`, `tracecontext`, `b3`, `b3multi`, `baggage`, `none` between commas.",
        MANY,
    ),
    "trace_propagation_style_extract": Entry(
        APM, "Styles tried on incoming events. Unset: those of `DD_TRACE_PROPAGATION_STYLE`.", MANY
    ),
    "trace_propagation_extract_first": Entry(APM, "Take the first style that gives a context, ask no other.", FEW),
    "trace_propagation_http_baggage_enabled": Entry(APM, "Copy `ot-baggage-*` headers into the context's tags.", FEW),
    "compute_stats": Entry(APM, "Compute trace stats in the extension and drop what sampling left out.", FEW),
    "span_dedup_timeout_s": Entry(
        APM,
        "How long to wait for the check whether a span came twice. Unset: no limit.",
        SUPPORT,
        unit="seconds",
        bounds="at least 1; less counts as unset",
    ),
    "capture_lambda_payload": Entry(APM, "Put the request and the response on the invocation span.", MANY),
    "capture_lambda_payload_max_depth": Entry(
        APM, "How deep the captured payload is taken apart.", MANY, unit="levels", bounds="0 or more"
    ),
    "external_env": Entry(APM, "Sent with traces as the header `datadog-external-env`.", SUPPORT),
    # Metrics
    "enhanced_metrics": Entry(METRICS, "Make the metrics `aws.lambda.enhanced.*`.", MANY),
    "proc_enhanced_metrics": Entry(METRICS, "Those of them that are read from `/proc` and the file system.", FEW),
    "metrics_compression_level": Entry(METRICS, "zstd level of metrics.", FEW, bounds=LEVELS),
    "statsd_metric_namespace": Entry(
        METRICS,
        "Prefix, with a full stop, of every metric that comes by DogStatsD.",
        FEW,
        bounds="a letter, then letters, digits, `_` and `.`",
    ),
    "dogstatsd_histograms": Entry(
        METRICS,
        "`distribution`: take histograms and timers as distributions. `off`: refuse them, as the reference does.",
        FEW,
        bounds="`distribution` or `off`",
    ),
    "dogstatsd_so_rcvbuf": Entry(
        METRICS,
        "Receive buffer of the DogStatsD socket. Unset: as much as the kernel grants, up to 8 MB.",
        FEW,
        unit="bytes",
        bounds="0 to 2147483647",
    ),
    "dogstatsd_buffer_size": Entry(
        METRICS, "Longest datagram that is read whole.", FEW, unit="bytes", bounds="1 to 65536"
    ),
    "dogstatsd_queue_size": Entry(
        METRICS,
        "Has no effect: datagrams are parsed as they are read, and wait in the receive buffer.",
        FEW,
        unit="datagrams",
        bounds="1 to 1000000",
    ),
    "custom_metrics_exclude_tags": Entry(
        METRICS, "Keys of the function's tags that are left out on metrics, between commas.", FEW
    ),
    # AppSec
    "serverless_appsec_enabled": Entry(APPSEC, "Look for attacks in requests. Needs the wrapper script.", MANY),
    "appsec_rules": Entry(APPSEC, "Path of a JSON file with rules in place of the built-in ones.", FEW),
    "appsec_waf_timeout_us": Entry(
        APPSEC, "Time for the inspection of one request.", FEW, unit="microseconds", bounds="0 to 900000000"
    ),
    "api_security_enabled": Entry(APPSEC, "Learn the schemas of the APIs that are called.", FEW),
    "api_security_sample_delay_s": Entry(
        APPSEC, "Least time between two schemas of one endpoint.", FEW, unit="seconds", bounds="0 or more"
    ),
    # OTLP
    "otlp_traces_enabled": Entry(OTLP, "Take traces by OTLP, where an endpoint is set.", FEW),
    "otlp_http_endpoint": Entry(OTLP, "Starts the receiver over HTTP; only the port counts.", FEW),
    "otlp_grpc_endpoint": Entry(OTLP, "Starts the receiver over gRPC; only the port counts.", FEW),
    "otlp_grpc_max_recv_msg_size_mib": Entry(OTLP, "Largest message over gRPC.", FEW, unit="MiB", bounds="1 to 50"),
    "otlp_traces_span_name_as_resource_name": Entry(OTLP, "Use the span's name as the resource.", FEW),
    "otlp_traces_span_name_remappings": Entry(OTLP, "Other names for spans: `from:to` between commas or spaces.", FEW),
    "otlp_ignore_missing_datadog_fields": Entry(OTLP, "Do not compute Datadog's fields for spans that lack them.", FEW),
    # Rarely used
    "log_verbosity": Entry(
        RARE,
        "Verbosity of the extension's own log: `error`, `warn`, `info`, `debug`, `trace` or `off`.",
        "users who look for the cause of a problem",
    ),
    "experimental_enable_proxy": Entry(RARE, "Start the proxy of the Runtime API; needs the wrapper script.", SUPPORT),
    "debug_wait_for_attach_s": Entry(
        RARE, "Sleep at the start, for a debugger.", SUPPORT, unit="seconds", bounds="0 to 900"
    ),
    "fips_mode": Entry(RARE, "What the client library's layer is built for. Has no effect but a debug line.", SUPPORT),
}
