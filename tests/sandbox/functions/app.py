"""Handlers of the function that the platform tests run."""

import logging
import os
import signal
import subprocess
import sys
import time

logging.getLogger().setLevel(logging.INFO)


def handler(event, context):
    """Do what the event says, and answer with it."""
    if event.get("print"):
        print(event["print"], flush=True)
    for number in range(event.get("lines", 0)):
        print(f"line {number} " + "x" * 280)
    if event.get("log"):
        logging.getLogger("orders").info(event["log"])
    ballast = bytearray(os.urandom(1024) * 1024 * event.get("memory_mb", 0))
    if event.get("sleep_s"):
        time.sleep(event["sleep_s"])
    del ballast
    spin_until = time.process_time() + event.get("spin_s", 0)
    while time.process_time() < spin_until:
        pass
    if event.get("raise"):
        raise ValueError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    if "kill" in event:
        os.kill(os.getpid(), signal.Signals[event["kill"]])
    if event.get("answer_bytes"):
        return "x" * (event["answer_bytes"] - 2)
    if event.get("daemon"):
        subprocess.Popen(
            [sys.executable, "-c", event["daemon"]],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "deadline_ms": context.get_remaining_time_in_millis(),
        "env": dict(os.environ) if event.get("env") else None,
        "pid": os.getpid(),
        "context": describe(context) if event.get("context") else None,
    }


def describe(context):
    return {
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "custom": context.client_context.custom,
        "identity": context.identity.cognito_identity_id,
        "arn": context.invoked_function_arn,
    }
