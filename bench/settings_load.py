"""CPU of loading the settings: 40 variables set, one variable set, and with a `datadog.yaml`; in a fresh interpreter.

The first load of a process is what a cold start pays; the repeated one shows the work itself, without cold caches.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.harness import ROOT, Bench, Measurement

FORMS = {"pure": ROOT / "src", "compiled": ROOT / "out" / "compiled"}

FORTY = {
    "API_KEY": "0" * 32, "SITE": "datadoghq.eu", "LOG_LEVEL": "info", "ENV": "prod", "SERVICE": "orders",
    "VERSION": "1.2", "TAGS": "team:core,a:b,c:d", "FLUSH_TIMEOUT": "5", "COMPRESSION_LEVEL": "3",
    "PROXY_HTTPS": "http://p:3128", "PROXY_NO_PROXY": "a,b", "HTTP_PROTOCOL": "http1", "TLS_CERT_FILE": "/x.pem",
    "SKIP_SSL_VALIDATION": "false", "DD_URL": "https://a.b", "URL": "https://c.d",
    "SERVERLESS_FLUSH_STRATEGY": "periodically,60000", "API_KEY_SECRET_ARN": "arn:x",
    "API_KEY_SECRET_RELOAD_INTERVAL": "60", "SERVERLESS_LOGS_ENABLED": "true", "LOGS_ENABLED": "true",
    "LOGS_CONFIG_LOGS_DD_URL": "https://l.b", "LOGS_CONFIG_USE_COMPRESSION": "true",
    "LOGS_CONFIG_COMPRESSION_LEVEL": "5", "APM_DD_URL": "https://apm", "APM_FEATURES": "a,b",
    "APM_FILTER_TAGS_REQUIRE": "env:prod", "SERVICE_MAPPING": "lambda_sqs:q", "TRACE_PROPAGATION_STYLE": "datadog,b3",
    "TRACE_PROPAGATION_EXTRACT_FIRST": "true", "LAMBDA_EXTENSION_COMPUTE_STATS": "true",
    "CAPTURE_LAMBDA_PAYLOAD": "true", "CAPTURE_LAMBDA_PAYLOAD_MAX_DEPTH": "5", "ENHANCED_METRICS": "true",
    "METRICS_CONFIG_COMPRESSION_LEVEL": "2", "STATSD_METRIC_NAMESPACE": "ns", "DOGSTATSD_BUFFER_SIZE": "8192",
    "DOGSTATSD_QUEUE_SIZE": "100", "LAMBDA_CUSTOMER_METRICS_EXCLUDE_TAGS": "a,b",
    "OTLP_CONFIG_TRACES_ENABLED": "false",
}  # fmt: skip

YAML = """\
site: datadoghq.eu
env: yaml
service: orders
tags:
  - team:core
logs_config:
  use_compression: true
  compression_level: 5
"""

CHILD = """
import json, sys, time
from thimble.config.environment import load_settings
environ = json.loads(sys.stdin.read())
started = time.process_time_ns()
settings, warnings = load_settings(environ)
first = time.process_time_ns() - started
repeated = []
for _ in range(200):
    started = time.perf_counter_ns()
    load_settings(environ)
    repeated.append(time.perf_counter_ns() - started)
print(json.dumps([first / 1e6, min(repeated) / 1e6, settings.site, settings.env, warnings]))
"""


def measure(bench: Bench) -> Iterator[Measurement]:
    """Both forms, where the compiled one has been built."""
    machine = {f"AWS_LAMBDA_{index}": "value" for index in range(30)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "datadog.yaml").write_text(YAML, encoding="utf-8")
        cases = {
            "forty": (machine | {f"DD_{name}": text for name, text in FORTY.items()}, "datadoghq.eu", "prod"),
            "one": (machine | {"DD_API_KEY": "0" * 32}, "datadoghq.com", ""),
            "yaml": (machine | {"LAMBDA_TASK_ROOT": folder}, "datadoghq.eu", "yaml"),
        }
        for form, place in FORMS.items():
            if not (place / "thimble").is_dir():
                continue
            for case, (environ, site, env) in cases.items():
                runs = [run(place, environ, site, env) for _ in range(bench.rounds(9))]
                yield Measurement(f"{form}_{case}_first_ms", min(first for first, _ in runs), "ms", "CPU, minimum")
                yield Measurement(f"{form}_{case}_repeated_ms", min(again for _, again in runs), "ms")


def run(place: Path, environ: dict[str, str], site: str, env: str) -> tuple[float, float]:
    """Milliseconds of the first and of the fastest repeated load, in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(environ),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, repeated, seen_site, seen_env, warnings = json.loads(answer.stdout)
    assert (seen_site, seen_env, warnings) == (site, env, []), answer.stdout
    return first, repeated
