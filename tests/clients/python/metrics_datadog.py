"""A function that sends every kind of metric that the `datadog` package has, just before it returns.

The event names how the client sends (`direct`, `buffered`, `aggregated` or `background`), the Unix time of stamped
points and the seed of the client's sampling.
"""

import random

from datadog.dogstatsd.base import DogStatsd

MODES = {
    "direct": {"disable_buffering": True, "disable_aggregation": True},
    "buffered": {"disable_buffering": False, "disable_aggregation": True, "telemetry_min_flush_interval": 0},
    "aggregated": {"disable_buffering": True, "disable_aggregation": False, "max_metric_samples_per_context": 2000},
    "background": {"disable_buffering": True, "disable_aggregation": True, "disable_background_sender": False},
}


def handler(event, context):
    if event.get("nothing"):
        return None
    client = DogStatsd(host="127.0.0.1", port=8125, **MODES[event["mode"]])
    send_everything(client, event["stamp"])
    send_sampled(client, event["seed"])
    client.flush_aggregated_metrics()
    client.flush()
    client.wait_for_pending()
    return {"dropped": client.packets_dropped}


def send_everything(client, stamp):
    """What the clients of all languages send."""
    client.increment("shop.plain")
    client.increment("shop.orders", tags=["kind:book"])
    client.increment("shop.orders", tags=["kind:book"])
    client.count("shop.orders", 5, tags=["kind:book"])
    client.decrement("shop.orders", 2, tags=["kind:book"])
    client.increment("shop.orders", tags=["kind:pen", "new"])
    client.gauge("shop.stock", 10, tags=["depot:north"])
    client.gauge("shop.stock", 7.5, tags=["depot:north"])
    for value in (1, 2.5, 40):
        client.distribution("shop.size", value, tags=["city:Zürich"])
    for value in range(1000):
        client.distribution("shop.load", value)
    for number in range(300):
        client.increment("shop.item", tags=[f"item:{number % 100}"])
    client.count_with_timestamp("shop.late", 2, stamp)
    client.count_with_timestamp("shop.late", 3, stamp)
    client.gauge_with_timestamp("shop.level", 4.25, stamp)
    for value in (3, 4):
        client.histogram("shop.latency", value)
    for value in (120, 80):
        client.timing("shop.work", value)
    for visitor in ("anna", "ben"):
        client.set("shop.visitors", visitor)
    client.event("Opened", "The shop is open.\nCome in.", tags=["kind:book"])
    client.service_check("shop.door", DogStatsd.OK, message="open")


def send_sampled(client, seed):
    """The client itself decides by its dice what it sends."""
    random.seed(seed)
    for _ in range(400):
        client.increment("shop.sampled", sample_rate=0.25)
    for _ in range(400):
        client.distribution("shop.sampled.size", 2.5, sample_rate=0.25)
