"""The names of all settings: which field a name sets, and how its text is read.

Keys are the names of environment variables without their prefix, upper case. Values are the field of
`thimble.config.model.Settings` and the parser's code (`thimble.config.parsers`). Three fields are not in the model,
`assemble.py` folds them into it: `compression_level`, `serverless_logs_enabled` and `extra_tags`.

The table is made of constants only, so that importing it computes nothing.

Source: specification of the configuration, key tables and field parsers.
"""

from __future__ import annotations

from typing import Final

PREFIXED: Final = {
    # General, intake and transport
    "API_KEY": ("api_key", "STR"),
    "SITE": ("site", "STR"),
    "LOG_LEVEL": ("log_verbosity", "LEVEL"),
    "ENV": ("env", "STR"),
    "SERVICE": ("service", "STR"),
    "VERSION": ("version", "STR"),
    "TAGS": ("tags", "KV"),
    "EXTRA_TAGS": ("extra_tags", "KV"),
    "FLUSH_TIMEOUT": ("flush_timeout_s", "UINT"),
    "COMPRESSION_LEVEL": ("compression_level", "INT"),
    "PROXY_HTTPS": ("proxy_https", "STR"),
    "PROXY_NO_PROXY": ("proxy_no_proxy", "CSV"),
    "HTTP_PROTOCOL": ("http_protocol", "STR"),
    "TLS_CERT_FILE": ("tls_cert_file", "STR"),
    "SKIP_SSL_VALIDATION": ("skip_ssl_validation", "BOOL"),
    "DD_URL": ("dd_url", "STR"),
    "URL": ("url", "STR"),
    "ADDITIONAL_ENDPOINTS": ("additional_endpoints", "AEP"),
    "SERVERLESS_FLUSH_STRATEGY": ("flush_strategy", "FLUSH"),
    # Secrets
    "API_KEY_SECRET_ARN": ("api_key_secret_arn", "STR"),
    "KMS_API_KEY": ("kms_api_key", "STR"),
    "API_KEY_SSM_ARN": ("api_key_ssm_arn", "STR"),
    "ORG_UUID": ("org_uuid", "STR"),
    "API_KEY_SECRET_RELOAD_INTERVAL": ("api_key_secret_reload_interval_s", "SECS0"),
    # Logs
    "SERVERLESS_LOGS_ENABLED": ("serverless_logs_enabled", "BOOL"),
    "LOGS_ENABLED": ("logs_enabled", "BOOL"),
    "LOGS_CONFIG_LOGS_DD_URL": ("logs_dd_url", "STR"),
    "LOGS_CONFIG_PROCESSING_RULES": ("logs_processing_rules", "PRULES"),
    "LOGS_CONFIG_USE_COMPRESSION": ("logs_use_compression", "BOOL"),
    "LOGS_CONFIG_COMPRESSION_LEVEL": ("logs_compression_level", "INT"),
    "LOGS_CONFIG_ADDITIONAL_ENDPOINTS": ("logs_additional_endpoints", "LAEP"),
    "OBSERVABILITY_PIPELINES_WORKER_LOGS_ENABLED": ("pipelines_worker_logs_enabled", "BOOL"),
    "OBSERVABILITY_PIPELINES_WORKER_LOGS_URL": ("pipelines_worker_logs_url", "STR"),
    "LAMBDA_DURABLE_FUNCTION_LOG_BUFFER_SIZE": ("durable_function_log_buffer_size", "UINT"),
    # APM
    "APM_DD_URL": ("apm_dd_url", "STR"),
    "APM_ADDITIONAL_ENDPOINTS": ("apm_additional_endpoints", "AEP"),
    "APM_REPLACE_TAGS": ("apm_replace_tags", "RRULES"),
    "APM_CONFIG_OBFUSCATION_HTTP_REMOVE_QUERY_STRING": ("apm_obfuscation_http_remove_query_string", "BOOL"),
    "APM_CONFIG_OBFUSCATION_HTTP_REMOVE_PATHS_WITH_DIGITS": ("apm_obfuscation_http_remove_paths_with_digits", "BOOL"),
    "APM_CONFIG_COMPRESSION_LEVEL": ("apm_compression_level", "INT"),
    "APM_FEATURES": ("apm_features", "CSV"),
    "APM_FILTER_TAGS_REQUIRE": ("apm_filter_tags_require", "FILT"),
    "APM_FILTER_TAGS_REJECT": ("apm_filter_tags_reject", "FILT"),
    "APM_FILTER_TAGS_REGEX_REQUIRE": ("apm_filter_tags_regex_require", "FILT"),
    "APM_FILTER_TAGS_REGEX_REJECT": ("apm_filter_tags_regex_reject", "FILT"),
    "SERVICE_MAPPING": ("service_mapping", "SMAP"),
    "TRACE_AWS_SERVICE_REPRESENTATION_ENABLED": ("trace_aws_service_representation_enabled", "BOOL"),
    "TRACE_PROPAGATION_STYLE": ("trace_propagation_style", "STYLES"),
    "TRACE_PROPAGATION_STYLE_EXTRACT": ("trace_propagation_style_extract", "STYLES"),
    "TRACE_PROPAGATION_EXTRACT_FIRST": ("trace_propagation_extract_first", "BOOL"),
    "TRACE_PROPAGATION_HTTP_BAGGAGE_ENABLED": ("trace_propagation_http_baggage_enabled", "BOOL"),
    "LAMBDA_EXTENSION_COMPUTE_STATS": ("compute_stats", "BOOL"),
    "SPAN_DEDUP_TIMEOUT": ("span_dedup_timeout_s", "SECS0"),
    "CAPTURE_LAMBDA_PAYLOAD": ("capture_lambda_payload", "BOOL"),
    "CAPTURE_LAMBDA_PAYLOAD_MAX_DEPTH": ("capture_lambda_payload_max_depth", "UINT"),
    "EXTERNAL_ENV": ("external_env", "STR"),
    # Metrics
    "ENHANCED_METRICS": ("enhanced_metrics", "BOOL"),
    "LAMBDA_PROC_ENHANCED_METRICS": ("proc_enhanced_metrics", "BOOL"),
    "METRICS_CONFIG_COMPRESSION_LEVEL": ("metrics_compression_level", "INT"),
    "STATSD_METRIC_NAMESPACE": ("statsd_metric_namespace", "NS"),
    "DOGSTATSD_SO_RCVBUF": ("dogstatsd_so_rcvbuf", "UINT"),
    "DOGSTATSD_BUFFER_SIZE": ("dogstatsd_buffer_size", "UINT"),
    "DOGSTATSD_QUEUE_SIZE": ("dogstatsd_queue_size", "UINT"),
    "LAMBDA_CUSTOMER_METRICS_EXCLUDE_TAGS": ("custom_metrics_exclude_tags", "CSV"),
    # AppSec
    "SERVERLESS_APPSEC_ENABLED": ("serverless_appsec_enabled", "BOOLT"),
    "APPSEC_RULES": ("appsec_rules", "STR"),
    "APPSEC_WAF_TIMEOUT": ("appsec_waf_timeout_us", "MICROS"),
    "API_SECURITY_ENABLED": ("api_security_enabled", "BOOL"),
    "API_SECURITY_SAMPLE_DELAY": ("api_security_sample_delay_s", "SECS"),
    # OTLP
    "OTLP_CONFIG_TRACES_ENABLED": ("otlp_traces_enabled", "BOOL"),
    "OTLP_CONFIG_RECEIVER_PROTOCOLS_HTTP_ENDPOINT": ("otlp_http_endpoint", "STR"),
    "OTLP_CONFIG_RECEIVER_PROTOCOLS_GRPC_ENDPOINT": ("otlp_grpc_endpoint", "STR"),
    "OTLP_CONFIG_RECEIVER_PROTOCOLS_GRPC_MAX_RECV_MSG_SIZE_MIB": ("otlp_grpc_max_recv_msg_size_mib", "INT"),
    "OTLP_CONFIG_TRACES_SPAN_NAME_AS_RESOURCE_NAME": ("otlp_traces_span_name_as_resource_name", "BOOL"),
    "OTLP_CONFIG_TRACES_SPAN_NAME_REMAPPINGS": ("otlp_traces_span_name_remappings", "KV"),
    "OTLP_CONFIG_IGNORE_MISSING_DATADOG_FIELDS": ("otlp_ignore_missing_datadog_fields", "BOOL"),
    # Rarely used switches
    "EXPERIMENTAL_ENABLE_PROXY": ("experimental_enable_proxy", "BOOL"),
    "DEBUG_WAIT_FOR_ATTACH": ("debug_wait_for_attach_s", "UINT"),
    "LAMBDA_FIPS_MODE": ("fips_mode", "STR"),
}
"""Names that follow `DD_` or `DATADOG_`."""

OWN: Final = {
    "DOGSTATSD_HISTOGRAMS": ("dogstatsd_histograms", "HIST"),
    "LOGS_KEEP": ("logs_keep", "KEEP"),
    "LOGS_MIN_LEVEL": ("logs_min_level", "MINLEVEL"),
    "LOGS_PLATFORM": ("logs_platform", "PLATFORM"),
    "MAX_BILLED_MS_PER_INVOCATION": ("max_billed_ms_per_invocation", "UINT"),
}
"""Names that follow `THIMBLE_`: settings that Datadog's extension does not have."""

SECRET_FIELDS: Final = (
    "api_key",
    "kms_api_key",
    "additional_endpoints",
    "apm_additional_endpoints",
    "logs_additional_endpoints",
    "proxy_https",
    "proxy_aws",
)
"""Fields whose values are never printed: keys, and addresses that may hold credentials."""
