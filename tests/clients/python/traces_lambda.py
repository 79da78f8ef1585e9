"""A function under `datadog-lambda`'s wrapper, traced: it decides itself whether its trace is kept."""

from ddtrace import tracer


def handler(event, context):
    print(f"[DEBUG] step {event['number']}")
    with tracer.trace("shop.work"):
        tracer.current_root_span().set_tag("manual.keep" if event["keep"] else "manual.drop")
    print(f"[DEBUG] done {event['number']}")
    return {}
