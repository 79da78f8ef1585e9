"""What the settings make of the parts: destinations, proxies, filters and stores, ready to be put together by `app`.

A setting that cannot be used costs one line and its own feature, never the start.
"""

from __future__ import annotations

from thimble.config.model import Settings
from thimble.config.urls import additional_logs_url, logs_url, metrics_base, series_url, sketches_url
from thimble.core.drops import Drops
from thimble.core.limits import METRIC_CONTEXTS_MAX
from thimble.core.logs.levels import INFO, MIN_LEVELS
from thimble.core.logs.options import LineOptions
from thimble.core.logs.rules import LogRules
from thimble.core.metrics.aggregator import MetricsAggregator
from thimble.core.metrics.base_tags import BASE_TAGS_MAX, BaseTags
from thimble.core.metrics.namespace import UNPREFIXED, namespace_prefix
from thimble.http.messages import parse_url
from thimble.http.proxy import ProxyRules, parse_proxy
from thimble.kernels.metric_store import MetricStore
from thimble.shell.compress import zstd_compressor
from thimble.shell.log import Log
from thimble.sinks.logs import LogsDestination
from thimble.sinks.metrics import MetricsEndpoint


def proxy_rules(settings: Settings, log: Log) -> ProxyRules | None:
    """The proxy of all traffic to Datadog, if there is one."""
    return _rules(settings.proxy_https, [*settings.no_proxy, *settings.proxy_no_proxy], "DD_PROXY_HTTPS", log)


def aws_proxy_rules(settings: Settings, log: Log) -> ProxyRules | None:
    """The proxy of requests to AWS: the conventional variables alone decide."""
    return _rules(settings.proxy_aws, list(settings.no_proxy), "HTTPS_PROXY", log)


def _rules(url: str, exceptions: list[str], name: str, log: Log) -> ProxyRules | None:
    if not url:
        return None
    try:
        proxy = parse_proxy(url)
    except ValueError as error:
        log.error(f"EXTENSION | {name}: {error}. Going direct.")
        return None
    return ProxyRules(proxy, exceptions)


def metrics_endpoints(settings: Settings) -> list[MetricsEndpoint]:
    """Where metrics go: the site's intake with the current key, then the additional ones with their own."""
    base = metrics_base(settings)
    endpoints = [MetricsEndpoint(parse_url(series_url(base)), parse_url(sketches_url(base)))]
    for url, keys in settings.additional_endpoints.items():
        series, sketches = parse_url(series_url(url)), parse_url(sketches_url(url))
        endpoints.extend([MetricsEndpoint(series, sketches, key) for key in keys])
    return endpoints


def logs_destinations(settings: Settings, log: Log) -> list[LogsDestination]:
    """Where logs go: the site's intake or a pipelines worker, then the additional intakes with their own keys."""
    destinations: list[LogsDestination] = []
    url = logs_url(settings)
    if url:
        try:
            destinations.append(LogsDestination(parse_url(url), None, settings.pipelines_worker_logs_enabled))
        except ValueError as error:
            log.error(f"LOGS | Logs cannot be sent: {error}")
    for endpoint in settings.logs_additional_endpoints:
        try:
            target = parse_url(additional_logs_url(endpoint.host, endpoint.port))
        except ValueError as error:
            log.error(f"LOGS | An additional endpoint is left out: {error}")
        else:
            destinations.append(LogsDestination(target, endpoint.api_key))
    return destinations


def line_options(settings: Settings, saved: Drops, log: Log) -> LineOptions:
    """What of the log lines is sent, as the settings want it."""
    rules: LogRules | None = None
    if settings.logs_processing_rules:
        rules = LogRules(settings.logs_processing_rules, saved)
        for refusal in rules.refused:
            log.warn(f"LOGS | {refusal}")
    min_level = MIN_LEVELS.get(settings.logs_min_level, INFO if settings.logs_keep else 0)
    return LineOptions(
        rules, min_level, settings.logs_platform, settings.logs_keep, settings.durable_function_log_buffer_size
    )


def metrics_aggregator(settings: Settings, tags: dict[str, str], drops: Drops, log: Log) -> MetricsAggregator:
    """The store of metrics, as the settings want it."""
    base_tags = BaseTags(tags, settings.custom_metrics_exclude_tags)
    if base_tags.left_out:
        log.warn(f"METRICS | More than {BASE_TAGS_MAX} tags of the function: {base_tags.left_out} are left out.")
    store = MetricStore(
        METRIC_CONTEXTS_MAX,
        settings.dogstatsd_buffer_size,
        namespace_prefix(settings.statsd_metric_namespace),
        UNPREFIXED,
        settings.dogstatsd_histograms == "distribution",
    )
    return MetricsAggregator(store, base_tags, zstd_compressor(settings.metrics_compression_level), drops)


def has_secret_source(settings: Settings) -> bool:
    """Whether the key is to be fetched from somewhere; the plain one is then not used."""
    return bool(settings.org_uuid or settings.kms_api_key or settings.api_key_secret_arn or settings.api_key_ssm_arn)
