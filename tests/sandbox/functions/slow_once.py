"""A function whose import takes too long the first time only."""

import os
import time

if not os.path.exists(os.environ["ONCE"]):
    open(os.environ["ONCE"], "w").close()
    time.sleep(20)


def handler(event, context):
    return "ready"
