"""Refusals of the APIs, word by word, over real connections."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.sandbox.support import (
    EXTENSION_BASE,
    RUNTIME_BASE,
    error_of,
    open_init,
    run,
    waiting_extension,
    waiting_function,
)
from thimble.sandbox.emulator import Emulator
from thimble.sandbox.runtime_side import RESPONSE_BYTES_MAX

UNKNOWN = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
REFUSED = "Error: State transition is not allowed"


async def refused_registrations(emulator: Emulator) -> None:
    async with await open_init(emulator) as client:
        path = f"{EXTENSION_BASE}/register"
        status, headers, body = await client.call("POST", path, {"events": ["INVOKE"]})
        assert status == 403
        assert headers["Content-Type"] == "application/json"
        assert error_of(body) == ("Extension.InvalidExtensionName", "Empty extension name")

        status, _, body = await client.call("POST", path, b"", Lambda_Extension_Name="datadog-agent")
        assert (status, *error_of(body)) == (403, "InvalidRequestFormat", "unexpected end of JSON input")

        status, _, body = await client.call(
            "POST", path, {"events": [], "configurationKeys": ["A"]}, Lambda_Extension_Name="datadog-agent"
        )
        assert (status, *error_of(body)) == (
            403,
            "InvalidRequestFormat",
            "configurationKeys are deprecated; use environment variables instead",
        )

        status, _, body = await client.call("POST", path, {"events": ["FOO"]}, Lambda_Extension_Name="datadog-agent")
        assert (status, *error_of(body)) == (403, "Extension.InvalidEventType", "FOO: ErrorInvalidEventType")

        status, _, body = await client.call("POST", path, {"events": ["SHUTDOWN"]}, Lambda_Extension_Name="other")
        assert (status, *error_of(body)) == (
            403,
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        )

        await client.register()
        status, _, body = await client.call("POST", path, {"events": ["INVOKE"]}, Lambda_Extension_Name="datadog-agent")
        assert (status, *error_of(body)) == (
            403,
            "Extension.InvalidExtensionState",
            f"State transition from Registered to Registered failed for extension datadog-agent. {REFUSED}",
        )


def test_wrong_registrations_are_refused_in_the_platforms_words() -> None:
    async def body() -> None:
        async with Emulator(waiting_function(), waiting_extension()) as emulator:
            await refused_registrations(emulator)

    run(body())


def test_identifiers_are_checked_by_every_call() -> None:
    async def body() -> None:
        async with Emulator(waiting_function(), waiting_extension()) as emulator:
            async with await open_init(emulator) as client:
                calls = [
                    ("GET", f"{EXTENSION_BASE}/event/next", f"Unknown extension {UNKNOWN}"),
                    ("POST", f"{EXTENSION_BASE}/init/error", "Unknown Lambda-Extension-Identifier"),
                    ("POST", f"{EXTENSION_BASE}/exit/error", "Unknown Lambda-Extension-Identifier"),
                    ("PUT", "/2022-07-01/telemetry", "Unknown Lambda-Extension-Identifier"),
                ]
                for method, path, unknown_text in calls:
                    status, _, data = await client.call(method, path)
                    assert (status, *error_of(data)) == (
                        403,
                        "Extension.MissingExtensionIdentifier",
                        "Missing Lambda-Extension-Identifier header",
                    )
                    status, _, data = await client.call(method, path, Lambda_Extension_Identifier="xyz")
                    assert (status, *error_of(data)) == (
                        403,
                        "Extension.InvalidExtensionIdentifier",
                        "Invalid Lambda-Extension-Identifier",
                    )
                    status, _, data = await client.call(method, path, Lambda_Extension_Identifier=UNKNOWN)
                    assert (status, *error_of(data)) == (403, "Extension.UnknownExtensionIdentifier", unknown_text)

    run(body())


def test_error_reports_need_a_type_and_are_accepted_once_registered() -> None:
    async def body() -> None:
        async with Emulator(waiting_function(), waiting_extension()) as emulator:
            async with await open_init(emulator) as client:
                identifier = await client.register()
                status, _, data = await client.call(
                    "POST", f"{EXTENSION_BASE}/init/error", Lambda_Extension_Identifier=identifier
                )
                assert (status, *error_of(data)) == (
                    403,
                    "Extension.MissingHeader",
                    "Lambda-Extension-Function-Error-Type not found",
                )
                status, _, data = await client.call(
                    "POST",
                    f"{EXTENSION_BASE}/init/error",
                    Lambda_Extension_Identifier=identifier,
                    Lambda_Extension_Function_Error_Type="Extension.NoApiKey",
                )
                assert (status, data) == (202, b'{"status":"OK"}\n')

    run(body())


def test_a_second_next_beside_a_pending_one_is_refused() -> None:
    async def body() -> None:
        async with Emulator(waiting_function(), waiting_extension()) as emulator:
            async with await open_init(emulator) as client:
                identifier = await client.register()
                first = client.next_task(identifier)
                await emulator.recorder.until(lambda: emulator.recorder.calls("next"))
                status, _, data = await client.next_event(identifier)
                assert (status, *error_of(data)) == (
                    403,
                    "Extension.InvalidExtensionState",
                    f"State transition from Ready to Ready failed for extension {identifier}. {REFUSED}",
                )
                assert not first.done()
                with pytest.raises(AssertionError, match="Ready to Ready"):
                    emulator.recorder.assert_no_violations()
                first.cancel()

    run(body())


SEQUENCES = [
    (["init", "init"], [202, 202]),
    (["exit", "exit"], [202, 202]),
    (["init", "next"], [202, 403]),
    (["init", "exit"], [202, 403]),
]


@pytest.mark.parametrize(("actions", "statuses"), SEQUENCES)
def test_error_sequences_are_served_as_the_table_says(actions: list[str], statuses: list[int]) -> None:
    async def body() -> None:
        # A second extension that never registers keeps INIT waiting, so that the first can act in peace.
        extensions = [waiting_extension(), waiting_extension("never")]
        async with Emulator(waiting_function(), extensions) as emulator:
            async with await open_init(emulator, "never") as client:
                identifier = await client.register()
                found = []
                for action in actions:
                    if action == "next":
                        found.append((await client.next_event(identifier))[0])
                    else:
                        found.append(await client.report_error(identifier, action))
                assert found == statuses

    run(body())


def test_errors_reported_beside_a_pending_next() -> None:
    async def body() -> None:
        extensions = [waiting_extension(), waiting_extension("never")]
        async with Emulator(waiting_function(), extensions) as emulator:
            async with await open_init(emulator, "never") as client:
                identifier = await client.register()
                pending = client.next_task(identifier)
                await emulator.recorder.until(lambda: emulator.recorder.calls("next"))
                assert await client.report_error(identifier, "init") == 403
                assert await client.report_error(identifier, "exit") == 202
                pending.cancel()

    run(body())


def test_the_runtime_api_refuses_what_its_table_refuses() -> None:
    async def body() -> None:
        async with Emulator(waiting_function()) as emulator:
            async with await open_init(emulator, "runtime") as client:
                assert (await client.call("GET", "/2018-06-01/ping"))[2] == b"pong"
                assert (await client.call("GET", "/nowhere"))[0] == 404
                assert (await client.call("GET", f"{RUNTIME_BASE}/restore/next"))[0] == 404
                first_next = asyncio.ensure_future(client.next_invocation())
                await emulator.recorder.until(lambda: emulator.recorder.moments("freeze"))
                invoke = emulator.invoke_async(b'{"n":1}')
                status, headers, data = await first_next
                request_id = headers["Lambda-Runtime-Aws-Request-Id"]
                assert (status, data, headers["Content-Type"]) == (200, b'{"n":1}', "application/json")

                status, data = await client.respond(UNKNOWN, b"1")
                assert (status, *error_of(data)) == (400, "InvalidRequestID", "Invalid request ID")
                same = await client.next_invocation()
                assert same[1]["Lambda-Runtime-Aws-Request-Id"] == request_id
                assert await client.respond(request_id, b"1") == (202, b'{"status":"OK"}\n')
                status, data = await client.respond(request_id, b"2")
                assert (status, error_of(data)[0]) == (403, "InvalidStateTransition")
                assert error_of(data)[1] == (
                    "State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. "
                    + REFUSED
                )
                last = asyncio.ensure_future(client.next_invocation())
                result = await invoke
                assert (result.payload, result.function_error) == (b"1", None)
                last.cancel()

    run(body())


@pytest.mark.parametrize(("size", "expected_status"), [(RESPONSE_BYTES_MAX, 202), (RESPONSE_BYTES_MAX + 1, 413)])
def test_a_response_may_have_six_mebibytes_and_a_hundred_bytes(size: int, expected_status: int) -> None:
    async def body() -> None:
        async with Emulator(waiting_function()) as emulator:
            async with await open_init(emulator, "runtime") as client:
                pending = asyncio.ensure_future(client.next_invocation())
                await emulator.recorder.until(lambda: emulator.recorder.moments("freeze"))
                invoke = emulator.invoke_async(b"{}")
                request_id = (await pending)[1]["Lambda-Runtime-Aws-Request-Id"]
                status, data = await client.respond(request_id, b"x" * size)
                assert status == expected_status
                last = asyncio.ensure_future(client.next_invocation())
                result = await invoke
                if expected_status == 202:
                    assert len(result.payload) == size
                    assert result.runtime_done is not None
                    assert result.runtime_done["metrics"]["producedBytes"] == size  # type: ignore[index]
                else:
                    assert error_of(data) == (
                        "RequestEntityTooLarge",
                        "Exceeded maximum allowed payload size (6291556 bytes).",
                    )
                    assert json.loads(result.payload)["errorType"] == "Function.ResponseSizeTooLarge"
                    assert result.runtime_done is not None
                    assert result.runtime_done["status"] == "error"
                last.cancel()

    run(body())


def test_an_unknown_response_mode_is_refused() -> None:
    async def body() -> None:
        async with Emulator(waiting_function()) as emulator:
            async with await open_init(emulator, "runtime") as client:
                pending = asyncio.ensure_future(client.next_invocation())
                await emulator.recorder.until(lambda: emulator.recorder.moments("freeze"))
                invoke = emulator.invoke_async(b"{}")
                request_id = (await pending)[1]["Lambda-Runtime-Aws-Request-Id"]
                path = f"{RUNTIME_BASE}/invocation/{request_id}/response"
                status, _, data = await client.call(
                    "POST", path, b"1", Lambda_Runtime_Function_Response_Mode="sideways"
                )
                assert (status, error_of(data)[0]) == (400, "InvalidFunctionResponseMode")
                status, _, _ = await client.call(
                    "POST", path, b"streamed", Lambda_Runtime_Function_Response_Mode="streaming"
                )
                assert status == 202
                last = asyncio.ensure_future(client.next_invocation())
                assert (await invoke).payload == b"streamed"
                last.cancel()

    run(body())


def test_a_response_that_breaks_off_fails_the_invocation() -> None:
    async def body() -> None:
        async with Emulator(waiting_function()) as emulator:
            async with await open_init(emulator, "runtime") as client:
                pending = asyncio.ensure_future(client.next_invocation())
                await emulator.recorder.until(lambda: emulator.recorder.moments("freeze"))
                invoke = emulator.invoke_async(b"{}")
                request_id = (await pending)[1]["Lambda-Runtime-Aws-Request-Id"]
                host, _, port = (await emulator.address()).partition(":")
                _, writer = await asyncio.open_connection(host, int(port))
                path = f"{RUNTIME_BASE}/invocation/{request_id}/response"
                writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this".encode())
                await emulator.recorder.until(lambda: emulator.recorder.calls("response"))
                writer.close()
                await writer.wait_closed()
                result = await invoke
                assert json.loads(result.payload)["errorType"] == "Runtime.TruncatedResponse"

    run(body())
