"""Laying the sources over each other, the post-processing, and the wording of the warnings.

A later layer replaces a field as a whole, and only when it holds a usable value. The one exception are three names
that fold into other fields *within their layer*: the global compression level stands for the three specific ones that
the layer does not set, `serverless_logs_enabled` and `logs_enabled` are joined by "or", and `extra_tags` give way to
`tags` key by key.

Source: specification of the configuration, "Sources and precedence", "Post-processing", "Proxy and TLS".
"""

from __future__ import annotations

from typing import Final

from thimble.config.features import OTLP_GRPC_PORT, OTLP_HTTP_PORT, otlp_port
from thimble.config.layers import Layer, Problem, quoted
from thimble.config.model import SITE_DEFAULT, Settings
from thimble.config.names import SECRET_FIELDS
from thimble.config.parsers import clean
from thimble.config.urls import clean_base_url, clean_proxy, clean_site
from thimble.core.codec.log_line import LEVEL_NAMES

OPTIONAL_SECONDS: Final = ("span_dedup_timeout_s", "api_key_secret_reload_interval_s")
"""Fields for which 0 means that there is no such wait."""

COMPRESSION_FIELDS: Final = ("logs_compression_level", "apm_compression_level", "metrics_compression_level")

BOUNDS: Final = (
    ("flush_timeout_s", 1, 86_400),
    ("dogstatsd_buffer_size", 1, 65_536),
    ("dogstatsd_queue_size", 1, 1_000_000),
    ("dogstatsd_so_rcvbuf", -1, 0x7FFF_FFFF),
    ("otlp_grpc_max_recv_msg_size_mib", 1, 50),
    ("logs_compression_level", -7, 22),
    ("apm_compression_level", -7, 22),
    ("metrics_compression_level", -7, 22),
    ("appsec_waf_timeout_us", 0, 900_000_000),
    ("debug_wait_for_attach_s", 0, 900),
    ("max_billed_ms_per_invocation", 0, 900_000),
)
"""Smallest and largest value of a numeric field. Below the smallest the default is used, above the largest that one.

Levels of compression are moved to the nearest bound on both sides, as the library does.
"""


class Assembly:
    """Settings under construction, with the origin of every field that a source has set.

    Attributes:
        settings: The result.
        origins: Field to the setting's name as the user wrote it; a field at its default is missing.
        problems: What was wrong, in order; `warnings` words them.
    """

    def __init__(self) -> None:
        self.settings = Settings()
        self.origins: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._extra_tags: dict[str, str] = {}

    def lay(self, layer: Layer) -> None:
        """Put a layer over what is there."""
        self.problems.extend(layer.problems)
        self._fold(layer)
        for field, value in layer.values.items():
            setattr(self.settings, field, value)
            self.origins[field] = layer.origins[field]

    def finish(self, environ: dict[str, str]) -> None:
        """Check and complete the fields that depend on others or on the conventional proxy variables."""
        settings = self.settings
        if self._extra_tags:
            tags = self._extra_tags
            tags.update(settings.tags)
            settings.tags = tags
        settings.api_key = "".join(settings.api_key.split())
        self._finish_site()
        self._finish_proxy(environ)
        if not settings.trace_propagation_style_extract:
            settings.trace_propagation_style_extract = settings.trace_propagation_style
        settings.dd_url = self._base_url("dd_url", settings.dd_url)
        settings.url = self._base_url("url", settings.url)
        settings.logs_dd_url = self._base_url("logs_dd_url", settings.logs_dd_url)
        settings.apm_dd_url = self._base_url("apm_dd_url", settings.apm_dd_url)
        settings.additional_endpoints = self._endpoints("additional_endpoints", settings.additional_endpoints)
        settings.apm_additional_endpoints = self._endpoints(
            "apm_additional_endpoints", settings.apm_additional_endpoints
        )
        worker_url = settings.pipelines_worker_logs_url.partition("#")[0].partition("?")[0]
        if settings.pipelines_worker_logs_enabled and not clean_base_url(worker_url):
            settings.pipelines_worker_logs_url = ""
            self._refuse("pipelines_worker_logs_enabled", "the URL of the pipelines worker is missing or not a URL")
        self._finish_otlp()
        self._finish_numbers()

    def warnings(self) -> list[str]:
        """One sentence per problem; values of secret fields are not shown."""
        sentences: list[str] = []
        for problem in self.problems:
            sentence = f"{problem.name}: {problem.text}"
            if problem.is_whole:
                sentence += f"; {self._used_instead(problem.field)} is used instead"
            sentences.append(sentence + ".")
        return sentences

    def _fold(self, layer: Layer) -> None:
        values = layer.values
        if "compression_level" in values:
            level = values.pop("compression_level")
            for field in COMPRESSION_FIELDS:
                if field not in values:
                    layer.put(field, level, layer.origins["compression_level"])
        if "serverless_logs_enabled" in values:
            is_on = bool(values.pop("serverless_logs_enabled"))
            name = layer.origins["serverless_logs_enabled"]
            if "logs_enabled" in values and not is_on:
                is_on = bool(values["logs_enabled"])
                name = layer.origins["logs_enabled"]
            layer.put("logs_enabled", is_on, name)
        if "extra_tags" in values:
            extra_tags = values.pop("extra_tags")
            assert isinstance(extra_tags, dict)
            self._extra_tags = extra_tags

    def _finish_site(self) -> None:
        settings = self.settings
        site = clean_site(settings.site)
        if not site:
            self._refuse("site", f"{quoted(settings.site)} is not a host name; {SITE_DEFAULT} is used instead")
            site = SITE_DEFAULT
        settings.site = site

    def _finish_proxy(self, environ: dict[str, str]) -> None:
        """One decision for all Datadog traffic; AWS is reached by the conventional variables alone."""
        settings = self.settings
        exclusions = clean(environ.get("NO_PROXY", "") or environ.get("no_proxy", ""))
        settings.no_proxy = tuple(exclusions.replace(",", " ").split())
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            text = environ.get(name, "").strip()
            if text:
                settings.proxy_aws = clean_proxy(text)
                self.origins["proxy_aws"] = name
                if not settings.proxy_aws:
                    self._refuse("proxy_aws", "the value is not the URL of a proxy; no proxy is used instead")
                break
        if settings.proxy_https:
            settings.proxy_https = clean_proxy(settings.proxy_https)
            if not settings.proxy_https:
                self._refuse("proxy_https", "the value is not the URL of a proxy; no proxy is used instead")
        elif settings.proxy_aws:
            settings.proxy_https = settings.proxy_aws
            self.origins["proxy_https"] = self.origins["proxy_aws"]
        for text in (exclusions, *settings.proxy_no_proxy):
            if settings.site in text:
                settings.proxy_https = ""

    def _finish_otlp(self) -> None:
        """A bad endpoint still starts its receiver, on the default port."""
        settings = self.settings
        for field, endpoint, port in (
            ("otlp_http_endpoint", settings.otlp_http_endpoint, OTLP_HTTP_PORT),
            ("otlp_grpc_endpoint", settings.otlp_grpc_endpoint, OTLP_GRPC_PORT),
        ):
            if endpoint and not otlp_port(endpoint):
                self._refuse(field, f"{quoted(endpoint)} has no port; {port} is used instead")

    def _finish_numbers(self) -> None:
        for field, minimum, maximum in BOUNDS:
            value = getattr(self.settings, field)
            if value > maximum:
                setattr(self.settings, field, maximum)
                if field == "otlp_grpc_max_recv_msg_size_mib":
                    self._refuse(field, f"{value} is above {maximum}; {maximum} is used instead")
            elif value < minimum and field in COMPRESSION_FIELDS:
                setattr(self.settings, field, minimum)
            elif value < minimum:
                default = getattr(Settings(), field)
                setattr(self.settings, field, default)
                self._refuse(field, f"{value} is below {minimum}; {default} is used instead")

    def _base_url(self, field: str, text: str) -> str:
        if not text:
            return ""
        url = clean_base_url(text, field == "apm_dd_url", field == "logs_dd_url")
        if not url:
            self._refuse(field, f"{quoted(text)} is not a URL; the site's is used instead")
        return url

    def _endpoints(self, field: str, endpoints: dict[str, list[str]]) -> dict[str, list[str]]:
        good: dict[str, list[str]] = {}
        for text, keys in endpoints.items():
            url = clean_base_url(text, keep_case=field == "apm_additional_endpoints")
            if url:
                good[url] = good.get(url, []) + keys
            else:
                self._refuse(field, f"{quoted(text)} was skipped, it is not a URL")
        return good

    def _refuse(self, field: str, text: str) -> None:
        """Note a problem that came to light after all sources were read."""
        self.problems.append(Problem(self.origins.get(field, field), field, text, False))

    def _used_instead(self, field: str) -> str:
        """The value in use, for a warning: `30`, `true`, `no value`."""
        if field == "compression_level":
            return "the level of each product"
        if field == "serverless_logs_enabled":
            field = "logs_enabled"
        if field == "log_verbosity":
            return LEVEL_NAMES[self.settings.log_verbosity].lower()
        value: object = self.settings.tags if field == "extra_tags" else getattr(self.settings, field)
        if not value and (not isinstance(value, (bool, int, float)) or field in OPTIONAL_SECONDS):
            return "no value"
        if field in SECRET_FIELDS:
            return "the value of another source"
        return shown(value)


def shown(value: object) -> str:
    """A value of the settings as a user would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ",".join([f"{key}:{item}" for key, item in value.items()])
    if isinstance(value, tuple):
        return ",".join([item if isinstance(item, str) else "(rule)" for item in value])
    return str(value)
