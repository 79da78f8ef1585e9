"""State machines of an extension and of the runtime, as tables, and the refusals that their APIs answer.

Theory: an extension is `Started` by the platform, registers, and from then on alternates between `Ready` (blocked in
`event/next`) and `Running` (holding an event). A release given while it is not `Ready` is remembered, and the next
`event/next` returns at once. The runtime does the same with invocations, with two more steps for its answer. Any pair
that is not in a table is refused with 403.

Source: AWS runtime interface emulator, observed and read.
"""

from __future__ import annotations

import json

STARTED = "Started"
REGISTERED = "Registered"
READY = "Ready"
RUNNING = "Running"
INIT_ERROR = "InitError"
EXIT_ERROR = "ExitError"
LAUNCH_ERROR = "LaunchError"
EXITED = "Exited"
SHUTDOWN_FAILED = "ShutdownFailed"

RESPONSE = "InvocationResponse"
ERROR_RESPONSE = "InvocationErrorResponse"
RESPONSE_SENT = "RuntimeResponseSentState"
RESTORE_READY = "RestoreReady"
RESTORING = "Restoring"
RESTORE_ERROR = "RuntimeRestoreErrorState"

EXTENSION_TABLE: dict[tuple[str, str], str] = {
    (STARTED, "register"): REGISTERED,
    (REGISTERED, "next"): READY,
    (RUNNING, "next"): READY,
    (READY, "release"): RUNNING,
    (REGISTERED, "init_error"): INIT_ERROR,
    (INIT_ERROR, "init_error"): INIT_ERROR,
    (REGISTERED, "exit_error"): EXIT_ERROR,
    (READY, "exit_error"): EXIT_ERROR,
    (RUNNING, "exit_error"): EXIT_ERROR,
    (EXIT_ERROR, "exit_error"): EXIT_ERROR,
}

EXTENSION_TARGETS = {"register": REGISTERED, "next": READY, "init_error": INIT_ERROR, "exit_error": EXITED}
"""How a refusal names the state that was asked for (`exit/error` is printed as `Exited`)."""

RUNTIME_TABLE: dict[tuple[str, str], str] = {
    (STARTED, "next"): READY,
    (STARTED, "init_error"): INIT_ERROR,
    (STARTED, "restore_next"): RESTORE_READY,
    (RESTORE_READY, "release"): RESTORING,
    (RESTORING, "next"): READY,
    (RESTORING, "restore_error"): RESTORE_ERROR,
    (READY, "release"): RUNNING,
    (RUNNING, "next"): RUNNING,
    (RUNNING, "response"): RESPONSE,
    (RUNNING, "error"): ERROR_RESPONSE,
    (RESPONSE, "sent"): RESPONSE_SENT,
    (ERROR_RESPONSE, "sent"): RESPONSE_SENT,
    (RESPONSE_SENT, "next"): READY,
}

RUNTIME_TARGETS = {
    "next": READY,
    "init_error": INIT_ERROR,
    "response": RESPONSE,
    "error": ERROR_RESPONSE,
    "restore_next": RESTORE_READY,
    "restore_error": RESTORE_ERROR,
    "release": RUNNING,
    "sent": RESPONSE_SENT,
}


class ApiRefusal(Exception):
    """An API call that the platform answers with an error document.

    Attributes:
        status: HTTP status.
        error_type: `errorType` of the document.
        message: `errorMessage` of the document.
    """

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(f"{status} {error_type}: {message}")
        self.status = status
        self.error_type = error_type
        self.message = message


class InvalidTransition(Exception):
    """The table has no such step. Attributes `state` and `target` name the two states."""

    def __init__(self, state: str, target: str) -> None:
        super().__init__(f"no step from {state} to {target}")
        self.state = state
        self.target = target

    def text(self, whom: str) -> str:
        """The sentence of the API, for `whom` (`extension <name or id>` or `runtime`)."""
        return (
            f"State transition from {self.state} to {self.target} failed for {whom}."
            " Error: State transition is not allowed"
        )


def step(table: dict[tuple[str, str], str], targets: dict[str, str], state: str, action: str) -> str:
    """The state after `action`.

    Raises:
        InvalidTransition: The table does not allow it.
    """
    following = table.get((state, action))
    if following is None:
        raise InvalidTransition(state, targets[action])
    return following


def error_document(error_type: str, message: str) -> bytes:
    """Error body of the platform's APIs: message first, compact, HTML characters escaped, newline at the end."""
    text = json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":"), ensure_ascii=False)
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, escape)
    return text.encode() + b"\n"


def invocation_error_document(error_type: str, message: str) -> bytes:
    """What the caller gets when the platform answers in the runtime's place: type first, no newline."""
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()
