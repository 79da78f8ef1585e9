"""A function under `datadog-lambda`'s wrapper: its own metrics, and an error on demand."""

import datetime

from datadog_lambda.metric import lambda_metric


def handler(event, context):
    for value in (1, 2.5, 40):
        lambda_metric("shop.size", value, tags=["kind:book & pen"])
    lambda_metric("shop.late", 4, timestamp=event["stamp"])
    lambda_metric("shop.late", 6, timestamp=datetime.datetime.fromtimestamp(event["stamp"], datetime.UTC))
    lambda_metric("shop.too_late", 1, timestamp=event["stamp"] - 5 * 3600)
    for number in range(200):
        lambda_metric("shop.item", number, tags=[f"item:{number % 100}"])
    if event.get("fails"):
        raise ValueError("on purpose")
    return {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}
