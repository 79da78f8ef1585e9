"""Where data goes for each site and override, and through which proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thimble.config import urls
from thimble.config.environment import load_settings

SITES = ["datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "datadoghq.eu", "ap1.datadoghq.com",
         "ap2.datadoghq.com", "ddog-gov.com", "example.internal"]  # fmt: skip


def destinations(environ: dict[str, str]) -> dict[str, str]:
    settings, _ = load_settings(environ)
    base = urls.metrics_base(settings)
    return {
        "series": urls.series_url(base),
        "sketches": urls.sketches_url(base),
        "logs": urls.logs_url(settings),
        "traces": urls.traces_url(settings),
        "stats": urls.stats_url(settings),
    } | {product: urls.proxied_url(settings, product) for product in urls.PROXIED}


@pytest.mark.parametrize("site", SITES)
def test_every_product_has_its_host_at_the_site(site: str) -> None:
    assert destinations({"DD_SITE": site}) == {
        "series": f"https://api.{site}/api/v2/series",
        "sketches": f"https://api.{site}/api/beta/sketches",
        "logs": f"https://http-intake.logs.{site}/api/v2/logs",
        "traces": f"https://trace.agent.{site}/api/v0.2/traces",
        "stats": f"https://trace.agent.{site}/api/v0.2/stats",
        "pipeline_stats": f"https://trace.agent.{site}/api/v0.1/pipeline_stats",
        "profiling": f"https://intake.profile.{site}/api/v2/profile",
        "llm_obs_eval_metric_v1": f"https://api.{site}/api/intake/llm-obs/v1/eval-metric",
        "llm_obs_eval_metric_v2": f"https://api.{site}/api/intake/llm-obs/v2/eval-metric",
        "llm_obs_spans": f"https://llmobs-intake.{site}/api/v2/llmobs",
        "debugger_logs": f"https://http-intake.logs.{site}/api/v2/logs",
        "debugger": f"https://debugger-intake.{site}/api/v2/debugger",
        "instrumentation": f"https://instrumentation-telemetry-intake.{site}/api/v2/apmtelemetry",
        "delegated_key": f"https://api.{site}/api/v2/intake-key",
    }


def test_without_settings_data_goes_to_the_default_site() -> None:
    assert destinations({}) == destinations({"DD_SITE": "datadoghq.com"})


@pytest.mark.parametrize(
    ("text", "site", "warning_count"),
    [
        ("", "datadoghq.com", 0), (" datadoghq.eu ", "datadoghq.eu", 0), ("datadoghq.eu/", "datadoghq.eu", 0),
        ("https://datadoghq.eu", "datadoghq.eu", 0), ("http://datadoghq.eu//", "datadoghq.eu", 0),
        ("a b", "datadoghq.com", 1), ("x/y", "datadoghq.com", 1), ("https://", "datadoghq.com", 1),
        ("h:99999", "datadoghq.com", 1), ("h:8443", "h:8443", 0),
    ],
)  # fmt: skip
def test_a_site_is_a_host_name_or_the_default_is_used(text: str, site: str, warning_count: int) -> None:
    settings, warnings = load_settings({"DD_SITE": text})
    assert settings.site == site
    assert len(warnings) == warning_count


def test_a_site_in_capitals_is_lowered_for_all_but_traces_and_stats() -> None:
    seen = destinations({"DD_SITE": "DATADOGHQ.EU"})
    capitals = {product for product, url in seen.items() if "DATADOGHQ.EU" in url}
    assert capitals == {"traces", "stats"}
    assert seen["logs"] == "https://http-intake.logs.datadoghq.eu/api/v2/logs"


@pytest.mark.parametrize(
    ("environ", "product", "url"),
    [
        ({"DD_LOGS_CONFIG_LOGS_DD_URL": "intake.example.net:8443"}, "logs", "https://intake.example.net:8443/api/v2/logs"),
        ({"DD_LOGS_CONFIG_LOGS_DD_URL": "http://10.0.0.5:8080//"}, "logs", "http://10.0.0.5:8080/api/v2/logs"),
        ({"DD_LOGS_CONFIG_LOGS_DD_URL": " https://a.b/c/ "}, "logs", "https://a.b/c/api/v2/logs"),
        ({"DD_LOGS_CONFIG_LOGS_DD_URL": "https://[::1]:80"}, "logs", "https://[::1]:80/api/v2/logs"),
        ({"DD_APM_DD_URL": "https://apm.example.net/", "DD_SITE": "datadoghq.eu"}, "traces",
         "https://apm.example.net/api/v0.2/traces"),
        ({"DD_APM_DD_URL": "https://apm.example.net/", "DD_SITE": "datadoghq.eu"}, "stats",
         "https://trace.agent.datadoghq.eu/api/v0.2/stats"),
        ({"DD_APM_DD_URL": "host:443"}, "traces", "https://host:443/api/v0.2/traces"),
        ({"DD_DD_URL": "https://m.example.net/", "DD_URL": "https://n.example.net"}, "series",
         "https://m.example.net/api/v2/series"),
        ({"DD_URL": "https://n.example.net"}, "sketches", "https://n.example.net/api/beta/sketches"),
        ({"DD_DD_URL": "m.example.net/prefix"}, "series", "https://m.example.net/prefix/api/v2/series"),
        ({"DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_ENABLED": "true",
          "DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_URL": "https://opw.example.net/ingest"}, "logs",
         "https://opw.example.net/ingest"),
        ({"DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_URL": "https://opw.example.net/ingest"}, "logs",
         "https://http-intake.logs.datadoghq.com/api/v2/logs"),
    ],
)  # fmt: skip
def test_an_override_replaces_the_base_of_its_product(environ: dict[str, str], product: str, url: str) -> None:
    assert destinations(environ)[product] == url
    assert load_settings(environ)[1] == []


@pytest.mark.parametrize("name", ["DD_DD_URL", "DD_URL", "DD_LOGS_CONFIG_LOGS_DD_URL", "DD_APM_DD_URL"])
@pytest.mark.parametrize(
    "text", ["ftp://x", "https://", "a b", "http://[bad", "h:0", "h:port", "https://u:p@h", "x?y", "."]
)
def test_an_override_that_is_no_url_leaves_the_site_and_says_so(name: str, text: str) -> None:
    assert destinations({name: text}) == destinations({})
    (warning,) = load_settings({name: text})[1]
    assert warning.startswith(f"{name}: ")


def test_a_pipelines_worker_without_a_url_gets_one_warning_and_no_logs() -> None:
    settings, warnings = load_settings({"DD_OBSERVABILITY_PIPELINES_WORKER_LOGS_ENABLED": "true"})
    assert urls.logs_url(settings) == ""
    assert len(warnings) == 1


def test_more_destinations_of_logs_are_intakes() -> None:
    assert urls.additional_logs_url("h", 10516) == "https://h:10516/api/v2/logs"
    assert urls.additional_logs_url("Logs.Example", 443) == "https://logs.example:443/api/v2/logs"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://opw.example/In/Gest/", "https://opw.example/In/Gest/"),
        ("HTTP://OPW.Example:8282/X?Y=Z", "http://opw.example:8282/X?Y=Z"),
        ("https://OPW.Example?Y", "https://opw.example?Y"),
        ("http://OPW.Example#Top", "http://opw.example#Top"),
    ],
)
def test_the_url_of_a_pipelines_worker_is_kept_but_for_the_case_of_its_host(text: str, url: str) -> None:
    name = "DD_OBSERVABILITY_PIPELINES_WORKER_LOGS"
    settings, warnings = load_settings({f"{name}_ENABLED": "true", f"{name}_URL": text})
    assert urls.logs_url(settings) == url
    assert warnings == []


def test_a_query_of_the_base_for_logs_goes_on_with_the_path() -> None:
    settings, warnings = load_settings({"DD_LOGS_CONFIG_LOGS_DD_URL": " relay.example/in?to=/ "})
    assert urls.logs_url(settings) == "https://relay.example/in?to=/api/v2/logs"
    assert warnings == []


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({"DD_PROXY_HTTPS": "p:3128"}, "http://p:3128"),
        ({"DD_PROXY_HTTPS": "p:3128", "NO_PROXY": "localhost,datadoghq.eu", "DD_SITE": "datadoghq.eu"}, ""),
        ({"DD_PROXY_HTTPS": "p:3128", "NO_PROXY": "datadoghq.com", "DD_SITE": "us5.datadoghq.com"}, "http://p:3128"),
        ({"DD_PROXY_HTTPS": "p:3128", "DD_PROXY_NO_PROXY": "api.datadoghq.com"}, ""),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://p:2"}, "http://p:2"),
        ({"ALL_PROXY": "http://p:3", "all_proxy": "http://p:4"}, "http://p:3"),
        ({"HTTPS_PROXY": "http://p:1", "DD_PROXY_HTTPS": "https://user:pa%40ss@q:2/"}, "https://user:pa%40ss@q:2"),
        ({"DD_PROXY_HTTPS": "", "HTTPS_PROXY": ""}, ""),
        ({"DD_PROXY_HTTPS": "", "HTTPS_PROXY": "http://p:1"}, "http://p:1"),
    ],
)
def test_one_proxy_is_decided_for_all_datadog_traffic(environ: dict[str, str], proxy: str) -> None:
    settings, warnings = load_settings(environ)
    assert settings.proxy_https == proxy
    assert warnings == []


@pytest.mark.parametrize("text", ["http://[bad", "socks5://h:1", "http://u:p@", "h:0", "http:// h"])
@pytest.mark.parametrize("name", ["DD_PROXY_HTTPS", "HTTPS_PROXY"])
def test_a_proxy_that_is_no_url_means_direct_and_its_value_is_not_shown(name: str, text: str) -> None:
    settings, warnings = load_settings({name: text})
    assert settings.proxy_https == ""
    (warning,) = warnings
    assert warning.startswith(f"{name}: ")
    assert text not in warning


def test_aws_is_reached_through_the_conventional_proxy_only() -> None:
    settings, _ = load_settings({"DD_PROXY_HTTPS": "q:2", "HTTPS_PROXY": "p:1", "NO_PROXY": "a, .b c"})
    assert settings.proxy_aws == "http://p:1"
    assert settings.no_proxy == ("a", ".b", "c")
    assert load_settings({"DD_PROXY_HTTPS": "q:2"})[0].proxy_aws == ""
    excluded, _ = load_settings({"HTTPS_PROXY": "p:1", "NO_PROXY": "datadoghq.com"})
    assert (excluded.proxy_https, excluded.proxy_aws) == ("", "http://p:1")


@given(st.text())
def test_a_cleaned_url_cleans_to_itself(text: str) -> None:
    for clean in (urls.clean_base_url, urls.clean_proxy, urls.clean_site):
        once = clean(text)
        assert clean(once) == once


@given(st.from_regex(r"(https?://)?[a-z0-9.-]{1,20}(:[1-9][0-9]{0,3})?(/[a-z0-9/]{0,10})?", fullmatch=True))
def test_whatever_is_accepted_has_a_scheme_and_no_slash_at_its_end(text: str) -> None:
    url = urls.clean_base_url(text)
    if url:
        assert url.startswith(("http://", "https://"))
        assert not url.endswith("/")
