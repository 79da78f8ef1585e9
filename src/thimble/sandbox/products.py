"""The products of the Datadog intake: path, name, the answer that means success, and how its bodies are read.

Source: the public intake paths that Datadog's Lambda extension posts to; logs, series, sketches and stats succeed with
202, traces with any status below 400, of which the real intake answers 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

JSON: Final = "json"
TRACES: Final = "traces"
SKETCHES: Final = "sketches"
STATS: Final = "stats"
RAW: Final = "raw"


@dataclass(frozen=True)
class Product:
    """One data type of the intake.

    Attributes:
        name: What the sandbox calls it: in faults, on the console, in JSON.
        path: The request path, without query.
        status: The answer of a healthy intake.
        answer: Body of that answer.
        reading: How a decompressed body is decoded: one of the constants of this module.
    """

    name: str
    path: str
    status: int
    answer: bytes
    reading: str


PRODUCTS: Final = (
    Product("logs", "/api/v2/logs", 202, b"{}", JSON),
    Product("series", "/api/v2/series", 202, b'{"errors":[]}', JSON),
    Product("sketches", "/api/beta/sketches", 202, b"", SKETCHES),
    Product("traces", "/api/v0.2/traces", 200, b'{"rate_by_service":{}}', TRACES),
    Product("stats", "/api/v0.2/stats", 202, b"", STATS),
    Product("data_streams", "/api/v0.1/pipeline_stats", 202, b"{}", RAW),
    Product("profiles", "/api/v2/profile", 202, b"", RAW),
    Product("llm_evaluations_v1", "/api/intake/llm-obs/v1/eval-metric", 202, b"{}", JSON),
    Product("llm_evaluations_v2", "/api/intake/llm-obs/v2/eval-metric", 202, b"{}", JSON),
    Product("llm_spans", "/api/v2/llmobs", 202, b"{}", JSON),
    Product("debugger", "/api/v2/debugger", 202, b"{}", JSON),
    Product("tracer_telemetry", "/api/v2/apmtelemetry", 202, b"{}", JSON),
    Product("delegated_key", "/api/v2/intake-key", 200, b"{}", JSON),
)
"""Every product with a path of its own. A base URL with a path in front is accepted too, see `product_of`."""

OTHER: Final = Product("other", "", 202, b"{}", JSON)
"""Any other path: accepted, kept, and decoded when it is JSON."""

PRODUCT_NAMES: Final = tuple(product.name for product in (*PRODUCTS, OTHER))


def product_of(path: str) -> Product:
    """Return the product whose path ends `path`, so that a base URL may carry a prefix; `OTHER` when there is none."""
    for product in PRODUCTS:
        if path.endswith(product.path):
            return product
    return OTHER
