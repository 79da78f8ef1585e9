"""The settings in effect: origins named, secrets hidden."""

from __future__ import annotations

from pathlib import Path

from tests.config.fields import field_names
from tests.config.test_environment import good_environ
from thimble.config.effective import EffectiveSetting, effective_settings
from thimble.config.names import SECRET_FIELDS

SECRET = "s3cr3t-value"


def by_field(environ: dict[str, str]) -> dict[str, EffectiveSetting]:
    return {setting.field: setting for setting in effective_settings(environ)[0]}


def test_every_field_is_listed_once_with_its_variable() -> None:
    settings, warnings = effective_settings({})
    assert warnings == []
    assert sorted(setting.field for setting in settings) == sorted(set(field_names()) - {"no_proxy", "proxy_aws"})
    assert all(setting.variable for setting in settings)
    assert {setting.origin for setting in settings} == {"default"}


def test_origins_are_named_as_the_user_wrote_them(tmp_path: Path) -> None:
    (tmp_path / "datadog.yaml").write_text("env: yaml\nproxy: {no_proxy: [a]}\nversion: 1.0\n")
    settings = by_field(
        {"LAMBDA_TASK_ROOT": str(tmp_path), "dd_site": "x.example", "DATADOG_VERSION": "2", "HTTPS_PROXY": "u:p@p:1",
         "DD_TRACE_PROPAGATION_STYLE": "b3"}
    )  # fmt: skip
    assert {field: (settings[field].value, settings[field].origin) for field in (
        "site", "env", "version", "proxy_https", "proxy_no_proxy", "trace_propagation_style_extract", "service",
    )} == {
        "site": ("x.example", "dd_site"),
        "env": ("yaml", "env in datadog.yaml"),
        "version": ("2", "DATADOG_VERSION"),
        "proxy_https": ("http://p:1", "HTTPS_PROXY"),
        "proxy_no_proxy": ("a", "proxy.no_proxy in datadog.yaml"),
        "trace_propagation_style_extract": ("b3", "DD_TRACE_PROPAGATION_STYLE"),
        "service": ("", "default"),
    }  # fmt: skip


def test_no_secret_is_shown_in_values_or_warnings() -> None:
    environ = good_environ() | {
        "DD_API_KEY": SECRET,
        "DD_KMS_API_KEY": SECRET,
        "DD_PROXY_HTTPS": f"http://user:{SECRET}@p:1",
        "DD_ADDITIONAL_ENDPOINTS": f'{{"https://a.b":["{SECRET}"]}}',
        "DD_APM_ADDITIONAL_ENDPOINTS": f'{{"https://a.b":["{SECRET}"]}}',
        "DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS": f'[{{"api_key":"{SECRET}","Host":"h","Port":1,"is_reliable":true}}]',
    }
    settings, warnings = effective_settings(environ)
    assert warnings == []
    assert SECRET not in repr(settings)
    assert {setting.field for setting in settings if setting.value} >= set(SECRET_FIELDS) - {"proxy_aws"}
    broken = {name: f"{SECRET} {{" for name in environ if SECRET in environ[name]}
    _, warnings = effective_settings(broken)
    assert len(warnings) >= 4
    assert SECRET not in repr(warnings)


def test_all_good_values_come_from_the_environment() -> None:
    settings, warnings = effective_settings(good_environ())
    assert warnings == []
    assert {setting.field for setting in settings if setting.origin == "default"} == set()
