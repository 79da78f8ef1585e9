"""The prefix of the function's metrics (`DD_STATSD_METRIC_NAMESPACE`), and the names that never get it."""

from __future__ import annotations

from typing import Final

UNPREFIXED: Final = (
    b"aws.lambda.enhanced.",
    b"datadog.agent",
    b"datadog.dogstatsd",
    b"datadog.process",
    b"datadog.trace_agent",
    b"datadog.tracer",
    b"activemq",
    b"airflow",
    b"cassandra",
    b"confluent",
    b"hazelcast",
    b"hive",
    b"ignite",
    b"jboss",
    b"jvm",
    b"kafka",
    b"presto",
    b"runtime",
    b"sidekiq",
    b"solr",
    b"tomcat",
)
"""Beginnings of names. The first is the client library's own metrics, the others are the Datadog Agent's exceptions."""


def namespace_prefix(namespace: str) -> bytes:
    """What goes before a name: the namespace and one full stop, or nothing."""
    if not namespace:
        return b""
    return namespace.encode() if namespace.endswith(".") else namespace.encode() + b"."
