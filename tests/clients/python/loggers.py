"""A function that logs four lines with the logger that its event names, and tells what it logged.

Each line has a message and, where the logger takes them, fields. The answer lists them as `[level, message, fields]`.
"""

import json
import logging
import sys

LEVELS = ("debug", "info", "warning", "error")
MESSAGE = 'order {} "paid" in full: café \\ 100%'
FIELDS = {"order": 7, "price": 12.5, "customer": "Zoë", "express": True, "voucher": None, "items": ["a", {"b": 1}]}


def handler(event, context):
    return globals()["log_with_" + event["logger"]]()


def said(with_fields):
    return [[level, MESSAGE.format(number), FIELDS if with_fields else {}] for number, level in enumerate(LEVELS)]


def log_with_logging():
    """Through the handler that the runtime installs, in the function's log format."""
    logger = logging.getLogger("orders")
    logger.setLevel(logging.DEBUG)
    lines = said(with_fields=False)
    for level, message, _ in lines:
        getattr(logger, level)(message)
    return lines


def log_with_print():
    lines = said(with_fields=True)
    for level, message, fields in lines:
        print(json.dumps({"level": level, "message": message, **fields}, ensure_ascii=False))
    return lines


def log_with_structlog():
    import structlog

    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(ensure_ascii=False)],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    lines = said(with_fields=True)
    for level, message, fields in lines:
        getattr(structlog.get_logger(), level)(message, **fields)
    return lines


def log_with_structlog_console():
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=True),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    lines = said(with_fields=False)
    for level, message, _ in lines:
        getattr(structlog.get_logger(), level)(message)
    return lines


def log_with_loguru():
    from loguru import logger

    logger.remove()
    logger.add(sys.stdout, level="DEBUG")
    lines = said(with_fields=False)
    for level, message, _ in lines:
        getattr(logger, level)(message)
    return lines


def log_with_loguru_json():
    from loguru import logger

    logger.remove()
    logger.add(sys.stdout, level="DEBUG", serialize=True)
    lines = said(with_fields=True)
    for level, message, fields in lines:
        getattr(logger.bind(**fields), level)(message)
    return lines


def log_with_powertools():
    from aws_lambda_powertools import Logger

    logger = Logger(service="orders", level="DEBUG")
    lines = said(with_fields=True)
    for line in lines:  # it leaves out what is None
        line[2] = {name: value for name, value in line[2].items() if value is not None}
    for level, message, fields in lines:
        getattr(logger, level)(message, **fields)
    return lines
