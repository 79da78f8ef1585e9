"""A function that runs a program written in another language inside its sandbox, and waits for its end."""

import subprocess


def handler(event, context):
    if event.get("nothing"):
        return None
    done = subprocess.run(event["command"], capture_output=True, text=True, timeout=20)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}
