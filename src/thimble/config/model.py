"""The settings of the process: one object, read once at start-up, frozen by agreement.

Only `thimble.config` assigns attributes; a test walks the sources and says so when another module does. The meaning of
each field for users, with unit, bounds and who should change it, stands in `thimble.config.reference`, which the
sandbox process never loads.

A field without a value holds '' (text), () (sequence), {} (mapping) or, where 0 is a value of its own, -1.
"""

from __future__ import annotations

from typing import Final

from thimble.core.codec.log_line import INFO
from thimble.core.lifecycle.flush_control import STRATEGY_DEFAULT, FlushStrategy

SITE_DEFAULT: Final = "datadoghq.com"
FLUSH_TIMEOUT_DEFAULT_S: Final = 30
COMPRESSION_LEVEL_DEFAULT: Final = 3


class ProcessingRule:
    """One rule over log messages.

    Args:
        kind: `exclude_at_match`, `include_at_match` or `mask_sequences`.
        name: The user's name for it.
        pattern: Regular expression, not compiled.
        placeholder: What a masked match is replaced by; `$1`, `${name}` refer to groups.
    """

    def __init__(self, kind: str, name: str, pattern: str, placeholder: str) -> None:
        self.kind = kind
        self.name = name
        self.pattern = pattern
        self.placeholder = placeholder


class ReplaceRule:
    """One rule over span tags.

    Args:
        name: Tag key, `resource.name`, or `*` for all tags and the resource.
        pattern: Regular expression, known to compile.
        replacement: `$1`, `${name}` refer to groups.
    """

    def __init__(self, name: str, pattern: str, replacement: str) -> None:
        self.name = name
        self.pattern = pattern
        self.replacement = replacement


class LogsEndpoint:
    """One more destination of logs: `https://<host>:<port>/api/v2/logs` with a key of its own."""

    def __init__(self, api_key: str, host: str, port: int) -> None:
        self.api_key = api_key
        self.host = host
        self.port = port


class Settings:
    """Every setting, with its default until a source replaces it."""

    def __init__(self) -> None:
        # General, intake and transport
        self.api_key: str = ""
        self.site: str = SITE_DEFAULT
        self.log_verbosity: int = INFO
        self.env: str = ""
        self.service: str = ""
        self.version: str = ""
        self.tags: dict[str, str] = {}
        self.flush_timeout_s: int = FLUSH_TIMEOUT_DEFAULT_S
        self.flush_strategy: FlushStrategy = FlushStrategy(STRATEGY_DEFAULT, 0)
        self.proxy_https: str = ""
        self.proxy_aws: str = ""
        self.proxy_no_proxy: tuple[str, ...] = ()
        self.no_proxy: tuple[str, ...] = ()
        self.http_protocol: str = ""
        self.tls_cert_file: str = ""
        self.skip_ssl_validation: bool = False
        self.dd_url: str = ""
        self.url: str = ""
        self.additional_endpoints: dict[str, list[str]] = {}
        self.max_billed_ms_per_invocation: int = 2000

        # Secrets
        self.api_key_secret_arn: str = ""
        self.kms_api_key: str = ""
        self.api_key_ssm_arn: str = ""
        self.org_uuid: str = ""
        self.api_key_secret_reload_interval_s: float = 0.0

        # Logs
        self.logs_enabled: bool = True
        self.logs_dd_url: str = ""
        self.logs_processing_rules: tuple[ProcessingRule, ...] = ()
        self.logs_use_compression: bool = True
        self.logs_compression_level: int = COMPRESSION_LEVEL_DEFAULT
        self.logs_additional_endpoints: tuple[LogsEndpoint, ...] = ()
        self.pipelines_worker_logs_enabled: bool = False
        self.pipelines_worker_logs_url: str = ""
        self.durable_function_log_buffer_size: int = 0
        self.logs_min_level: str = ""
        self.logs_platform: str = "all"
        self.logs_keep: tuple[str, ...] = ()

        # APM
        self.apm_dd_url: str = ""
        self.apm_additional_endpoints: dict[str, list[str]] = {}
        self.apm_replace_tags: tuple[ReplaceRule, ...] = ()
        self.apm_obfuscation_http_remove_query_string: bool = False
        self.apm_obfuscation_http_remove_paths_with_digits: bool = False
        self.apm_compression_level: int = COMPRESSION_LEVEL_DEFAULT
        self.apm_features: tuple[str, ...] = ()
        self.apm_filter_tags_require: tuple[str, ...] = ()
        self.apm_filter_tags_reject: tuple[str, ...] = ()
        self.apm_filter_tags_regex_require: tuple[str, ...] = ()
        self.apm_filter_tags_regex_reject: tuple[str, ...] = ()
        self.service_mapping: dict[str, str] = {}
        self.trace_aws_service_representation_enabled: bool = True
        self.trace_propagation_style: tuple[str, ...] = ("datadog", "tracecontext")
        self.trace_propagation_style_extract: tuple[str, ...] = ()
        self.trace_propagation_extract_first: bool = False
        self.trace_propagation_http_baggage_enabled: bool = False
        self.compute_stats: bool = False
        self.span_dedup_timeout_s: float = 0.0
        self.capture_lambda_payload: bool = False
        self.capture_lambda_payload_max_depth: int = 10
        self.external_env: str = ""

        # Metrics
        self.enhanced_metrics: bool = True
        self.proc_enhanced_metrics: bool = True
        self.metrics_compression_level: int = COMPRESSION_LEVEL_DEFAULT
        self.statsd_metric_namespace: str = ""
        self.dogstatsd_so_rcvbuf: int = -1
        self.dogstatsd_buffer_size: int = 8192
        self.dogstatsd_queue_size: int = 1024
        self.dogstatsd_histograms: str = ""
        self.custom_metrics_exclude_tags: tuple[str, ...] = ()

        # AppSec
        self.serverless_appsec_enabled: bool = False
        self.appsec_rules: str = ""
        self.appsec_waf_timeout_us: int = 5000
        self.api_security_enabled: bool = True
        self.api_security_sample_delay_s: float = 30.0

        # OTLP
        self.otlp_traces_enabled: bool = True
        self.otlp_http_endpoint: str = ""
        self.otlp_grpc_endpoint: str = ""
        self.otlp_grpc_max_recv_msg_size_mib: int = 4
        self.otlp_traces_span_name_as_resource_name: bool = False
        self.otlp_traces_span_name_remappings: dict[str, str] = {}
        self.otlp_ignore_missing_datadog_fields: bool = False

        # Rarely used switches
        self.experimental_enable_proxy: bool = False
        self.debug_wait_for_attach_s: int = 0
        self.fips_mode: str = ""
