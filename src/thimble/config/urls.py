"""Where the data goes: the intake's URLs from the site and the overrides, and the check of every URL in the settings.

Hosts are lower-cased for all products but traces and stats, as the reference's two clients do.

Source: specification of the configuration, "Site -> intake URLs" and "Proxy and TLS".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from thimble.config.model import Settings

_HOST_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
_IPV6_CHARACTERS: Final = "0123456789abcdefABCDEF:."
_NOT_IN_PATH: Final = ' "#?<>\\^`{|}'

PROXIED: Final = {
    "pipeline_stats": ("trace.agent.", "/api/v0.1/pipeline_stats"),
    "profiling": ("intake.profile.", "/api/v2/profile"),
    "llm_obs_eval_metric_v1": ("api.", "/api/intake/llm-obs/v1/eval-metric"),
    "llm_obs_eval_metric_v2": ("api.", "/api/intake/llm-obs/v2/eval-metric"),
    "llm_obs_spans": ("llmobs-intake.", "/api/v2/llmobs"),
    "debugger_logs": ("http-intake.logs.", "/api/v2/logs"),
    "debugger": ("debugger-intake.", "/api/v2/debugger"),
    "instrumentation": ("instrumentation-telemetry-intake.", "/api/v2/apmtelemetry"),
    "delegated_key": ("api.", "/api/v2/intake-key"),
}
"""Products without an override: name of the product to the host's prefix before the site, and the path."""


def metrics_base(settings: Settings) -> str:
    """Base URL of series and sketches: `DD_DD_URL`, else `DD_URL`, else the site's."""
    return settings.dd_url or settings.url or f"https://api.{settings.site.lower()}"


def series_url(base: str) -> str:
    """URL of metric series at a base of `metrics_base` or of the additional endpoints."""
    return f"{base}/api/v2/series"


def sketches_url(base: str) -> str:
    """URL of distributions at a base, see `series_url`."""
    return f"{base}/api/beta/sketches"


def logs_url(settings: Settings) -> str:
    """URL of logs; with a pipelines worker exactly its URL, '' when it has none."""
    if settings.pipelines_worker_logs_enabled:
        return _with_lower_host(settings.pipelines_worker_logs_url)
    base = settings.logs_dd_url or f"https://http-intake.logs.{settings.site.lower()}"
    return f"{base}/api/v2/logs"


def additional_logs_url(host: str, port: int) -> str:
    """URL of one more destination of logs: always an intake, also beside a pipelines worker."""
    return f"https://{host.lower()}:{port}/api/v2/logs"


def traces_url(settings: Settings) -> str:
    """URL of traces."""
    return traces_url_at(settings.apm_dd_url or f"https://trace.agent.{settings.site}")


def traces_url_at(base: str) -> str:
    """URL of traces at a base of the additional endpoints."""
    return f"{base}/api/v0.2/traces"


def stats_url(settings: Settings) -> str:
    """URL of trace stats: `DD_APM_DD_URL` does not apply."""
    return f"https://trace.agent.{settings.site}/api/v0.2/stats"


def proxied_url(settings: Settings, product: str) -> str:
    """URL of a product of `PROXIED`."""
    prefix, path = PROXIED[product]
    return f"https://{prefix}{settings.site.lower()}{path}"


def clean_site(text: str) -> str:
    """The site without scheme and slashes, or '' when no host name can be made of it."""
    site = text.strip()
    for scheme in ("https://", "http://"):
        if site.lower().startswith(scheme):
            site = site[len(scheme) :]
    site = site.rstrip("/")
    return site if _is_authority(site) else ""


def clean_base_url(text: str, keep_case: bool = False, has_query: bool = False) -> str:
    """`scheme://host[:port][/path]` without a slash at its end, or '' when the text is no such URL.

    Args:
        text: The user's; `https://` is added where no scheme is given.
        keep_case: Leave the host as it is written.
        has_query: Allow a `?` in the path: what follows the base is then part of the query.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "https", scheme
    scheme = scheme.lower()
    authority, slash, path = rest.rstrip("/").partition("/")
    plain = path.replace("?", "", 1) if has_query else path
    if scheme not in ("http", "https") or not _is_authority(authority) or not _is_path(plain):
        return ""
    return f"{scheme}://{authority if keep_case else authority.lower()}{slash}{path}"


def clean_proxy(text: str) -> str:
    """`scheme://[user:password@]host[:port]` of an HTTP proxy, or '' when the text is no such URL."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "http", scheme
    scheme = scheme.lower()
    user, at, authority = rest.partition("/")[0].rpartition("@")
    if scheme not in ("http", "https") or not _is_authority(authority) or not _is_path(user):
        return ""
    return f"{scheme}://{user}{at}{authority}"


def _with_lower_host(url: str) -> str:
    """A URL as it is written but for its scheme and host."""
    scheme, separator, rest = url.partition("://")
    end = min([at for at in map(rest.find, "/?#") if at >= 0], default=len(rest))
    return f"{scheme.lower()}://{rest[:end].lower()}{rest[end:]}" if separator else url


def _is_authority(text: str) -> bool:
    """`host`, `host:port`, `[v6]` or `[v6]:port`, the port 1 to 65535."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or host.strip(_IPV6_CHARACTERS) or (rest and rest[0] != ":"):
            return False
        return not rest or _is_port(rest[1:])
    host, colon, port = text.partition(":")
    if not host or not host.strip(".") or host.strip(_HOST_CHARACTERS):
        return False
    return not colon or _is_port(port)


def _is_port(text: str) -> bool:
    return 0 < len(text) <= 5 and not text.strip("0123456789") and 1 <= int(text) <= 0xFFFF


def _is_path(text: str) -> bool:
    """Printable ASCII without query, fragment and what must be percent-encoded."""
    if not (text.isascii() and text.isprintable()):
        return False
    return all(character not in text for character in _NOT_IN_PATH)
