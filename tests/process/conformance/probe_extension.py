"""An extension that asks the platform odd things and writes down every answer. Its name is its file's name."""

import http.client
import json
import os
import sys

EXTENSION = "/2020-01-01/extension"
UNKNOWN = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
NAME = os.path.basename(sys.argv[0])
KEPT_HEADERS = ("content-type", "allow", "lambda-extension-event-identifier")

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
answers = {}


def call(label, method, path, body=None, **headers):
    """Send one request and keep its answer under `label`."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    api.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = api.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    text = answer.read().decode()
    kept = {name: found[name] for name in KEPT_HEADERS if name in found}
    answers[label] = {"status": answer.status, "body": text, "headers": kept}
    write()
    return found, text


def write():
    with open(os.environ["PROBE_FILE"], "w", encoding="utf-8") as file:
        json.dump(answers, file)


def main():
    both = {"events": ["INVOKE", "SHUTDOWN"]}
    register, following = EXTENSION + "/register", EXTENSION + "/event/next"
    call("next without an id", "GET", following)
    call("next with a bad id", "GET", following, Lambda_Extension_Identifier="xyz")
    call("next with an unknown id", "GET", following, Lambda_Extension_Identifier=UNKNOWN)
    call("register without a name", "POST", register, both)
    call("register without a body", "POST", register, b"", Lambda_Extension_Name=NAME)
    call("register for an unknown event", "POST", register, {"events": ["FOO"]}, Lambda_Extension_Name=NAME)
    call("register another for SHUTDOWN", "POST", register, {"events": ["SHUTDOWN"]}, Lambda_Extension_Name="other")
    found, _ = call("register", "POST", register, both, Lambda_Extension_Name=NAME)
    me = {"Lambda_Extension_Identifier": found["lambda-extension-identifier"]}
    call("register twice", "POST", register, both, Lambda_Extension_Name=NAME)
    call("init error without a type", "POST", EXTENSION + "/init/error", b"", **me)
    call("init error of nobody", "POST", EXTENSION + "/init/error", b"", Lambda_Extension_Identifier=UNKNOWN)
    call("exit error without an id", "POST", EXTENSION + "/exit/error", b"")
    call("no such path", "GET", EXTENSION + "/nothing", **me)
    call("wrong method for register", "GET", register, **me)
    call("wrong method for next", "POST", following, b"", **me)
    call("subscribe", "PUT", "/2022-07-01/telemetry", {"schemaVersion": "2022-12-13"}, **me)
    for number in range(100):
        _, text = call(f"event {number}", "GET", following, **me)
        if json.loads(text)["eventType"] == "SHUTDOWN":
            return


main()
