"""The sample function of `thimble demo`: an order desk that greets, warns, fails and dawdles as its event asks."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any

logger = logging.getLogger()
logger.setLevel(logging.INFO)

PRICES = {"thimble": 2.50, "needle": 0.40, "thread": 1.20}

print(f"Price list with {len(PRICES)} articles loaded in {os.environ.get('AWS_REGION', 'nowhere')}")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Price one order.

    The event names an `article` and a `count`; `sleep_s` makes the work take so long.
    """
    logger.info("Order for %s x %s", event.get("count", 1), event.get("article"))
    time.sleep(event.get("sleep_s", 0.02))
    price = PRICES[event["article"]] * event.get("count", 1)
    print(json.dumps({"level": "info", "message": "Order priced", "article": event["article"], "total": price}))
    if price > 100:
        logger.warning("Large order: %.2f", price)
    remaining_ms = context.get_remaining_time_in_millis()
    return {"statusCode": 200, "body": json.dumps({"total": round(price, 2)}), "remainingMs": remaining_ms}
