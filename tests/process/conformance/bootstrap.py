"""A runtime that asks the platform odd things and writes down every answer.

One invocation: a wrong id, an answer, the answer again. The next one: an error. The next: an answer that is too large.
"""

import http.client
import json
import os

RUNTIME = "/2018-06-01/runtime"
KEPT_HEADERS = ("content-type", "lambda-runtime-invoked-function-arn", "lambda-runtime-trace-id",
                "lambda-runtime-client-context", "lambda-runtime-cognito-identity")  # fmt: skip
TOO_LARGE = 6_291_557

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
answers = {}


def call(label, method, path, body=None, **headers):
    api.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = api.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    text = answer.read().decode()
    kept = {name: found[name] for name in KEPT_HEADERS if name in found}
    answers[label] = {"status": answer.status, "body": text, "headers": kept}
    with open(os.environ["RUNTIME_FILE"], "w", encoding="utf-8") as file:
        json.dump(answers, file)
    return found.get("lambda-runtime-aws-request-id", "")


def main():
    wrong = RUNTIME + "/invocation/00000000-0000-4000-8000-000000000000/response"
    request_id = call("first invocation", "GET", RUNTIME + "/invocation/next")
    mine = f"{RUNTIME}/invocation/{request_id}"
    call("answer to a wrong id", "POST", wrong, b'"wrong"')
    call("answer", "POST", mine + "/response", b'{"answer":1}')
    call("answer again", "POST", mine + "/response", b'"again"')
    request_id = call("second invocation", "GET", RUNTIME + "/invocation/next")
    mine = f"{RUNTIME}/invocation/{request_id}"
    document = b'{"errorType":"Odd","errorMessage":"told to"}'
    call("error", "POST", mine + "/error", document, Lambda_Runtime_Function_Error_Type="Odd.Error")
    call("error again", "POST", mine + "/error", document)
    request_id = call("third invocation", "GET", RUNTIME + "/invocation/next")
    call("too large", "POST", f"{RUNTIME}/invocation/{request_id}/response", b"x" * TOO_LARGE)
    call("no such path", "GET", RUNTIME + "/nothing")
    call("fourth invocation", "GET", RUNTIME + "/invocation/next")


main()
