"""The local intake as a process of its own: for benchmarks, other languages, and a terminal beside.

It prints one JSON line with its port when it listens. It decodes nothing before its end, so that receiving disturbs a
measurement as little as it can. It ends at SIGTERM, SIGINT or the end of its standard input, then prints the totals.
Each line on standard input is one command: `script logs 503 reset`, `always traces hang`, `slow all 300`,
`clear`, `clear logs`, `totals`; each is answered by one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from .certificates import ThrowAwayAuthority
from .intake import Intake
from .intake_faults import ALL, CUTS
from .products import PRODUCT_NAMES
from .received import Received


def main(arguments: list[str] | None = None) -> int:
    """Run the intake until it is told to stop; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except (OSError, ValueError) as error:
        print(f"The intake cannot run: {error}.", file=sys.stderr)
        return 1
    return 0


def totals(received: list[Received], decoded: bool = True, is_last_look: bool = False) -> dict[str, Any]:
    """Sum up requests per product.

    Args:
        received: The requests.
        decoded: Whether to decompress and decode them, which `raw_bytes`, `item_count` and `problems` need.
        is_last_look: Keep nothing decoded, so that a flood of log lines needs no more memory than its largest payload.

    Returns:
        Product name to `requests`, `accepted`, `connections`, `wire_bytes` and, when decoded, `raw_bytes`,
        `item_count` (accepted requests only) and `problems`.
    """
    table: dict[str, dict[str, int]] = {}
    ports: dict[str, set[int]] = {}
    for request in received:
        name = request.product.name
        row = table.setdefault(name, {"requests": 0, "accepted": 0, "connections": 0, "wire_bytes": 0})
        row["requests"] += 1
        row["accepted"] += request.accepted
        row["wire_bytes"] += request.wire_bytes
        ports.setdefault(name, set()).add(request.peer_port)
        row["connections"] = len(ports[name])
        if decoded:
            row["raw_bytes"] = row.get("raw_bytes", 0) + request.raw_bytes
            row["item_count"] = row.get("item_count", 0) + (request.item_count if request.accepted else 0)
            row["problems"] = row.get("problems", 0) + bool(request.problem)
        if is_last_look:
            request.forget()
    return table


async def _serve(options: argparse.Namespace) -> None:
    authority = ThrowAwayAuthority() if options.tls or options.ca_out else None
    if authority is not None and options.ca_out:
        authority.write_pem(Path(options.ca_out))
    intake = Intake(
        authority.server_context() if authority else None,
        host=options.host,
        port=options.port,
        api_key=options.api_key,
    )
    if options.latency_ms:
        intake.faults.slow(ALL, options.latency_ms)
    for setting in options.slow:
        intake.faults.slow(*_pair(setting, float))
    for setting in options.always:
        intake.faults.always(*_pair(setting, str))
    for setting in options.script:
        product, behaviours = _pair(setting, str)
        intake.faults.script(product, *behaviours.split(","))
    async with intake:
        print(orjson.dumps({"port": intake.port, "url": intake.url}).decode(), flush=True)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        commands = asyncio.create_task(_obey(intake, stop))
        await stop.wait()
        commands.cancel()
        with suppress(asyncio.CancelledError):
            await commands
    sums = totals(intake.received, is_last_look=True)
    summary = {
        "totals": sums,
        "log_entries": sums.get("logs", {}).get("item_count", 0),
        "connections": intake.connections,
        "not_kept": intake.not_kept,
    }
    if options.out:
        with Path(options.out).open("wb") as file:
            for request in intake.received:
                file.write(dump(request.as_dict()) + b"\n")
                request.forget()
    print(orjson.dumps(summary).decode(), flush=True)


def dump(value: Any) -> bytes:
    """Encode as JSON; bytes inside become hexadecimal text, and keys may be numbers."""
    return orjson.dumps(value, default=_bytes_as_hex, option=orjson.OPT_NON_STR_KEYS)


def _bytes_as_hex(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


async def _obey(intake: Intake, stop: asyncio.Event) -> None:
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty()):
        return  # a file or a null device: no commands from there, and its end means nothing
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            answer = _command(intake, line.decode().split())
        except (ValueError, IndexError, TypeError, UnicodeDecodeError) as error:
            answer = {"error": str(error)}
        print(orjson.dumps(answer).decode(), flush=True)
    stop.set()


def _command(intake: Intake, words: list[str]) -> dict[str, Any]:
    match words:
        case ["script", product, *behaviours] if behaviours:
            intake.faults.script(product, *behaviours)
        case ["always", product, behaviour]:
            intake.faults.always(product, behaviour)
        case ["slow", product, latency_ms]:
            intake.faults.slow(product, float(latency_ms))
        case ["clear", *products]:
            intake.faults.clear(*products)
        case ["totals"]:
            return {"totals": totals(intake.received, decoded=False), "connections": intake.connections}
        case _:
            raise ValueError(f"no such command: {' '.join(words)!r}")
    return {"done": words[0]}


def _pair(setting: str, convert: Any) -> Any:
    product, equals, value = setting.partition("=")
    if not equals:
        raise ValueError(f"{setting!r} should read PRODUCT=VALUE")
    return product, convert(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m thimble.sandbox.intake",
        description=__doc__.split("\n\n")[0] if __doc__ else None,
        epilog=f"Products: {', '.join((ALL, *PRODUCT_NAMES))}. Behaviours: a status such as 503, or "
        + "; ".join(f"{name} ({text})" for name, text in CUTS.items())
        + ".",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 lets the kernel choose")
    parser.add_argument("--latency-ms", type=float, default=0.0, metavar="MS", help="hold every answer back so long")
    parser.add_argument("--slow", action="append", default=[], metavar="PRODUCT=MS", help="hold back one product")
    parser.add_argument(
        "--script", action="append", default=[], metavar="PRODUCT=B,B", help="behaviours of the next requests, in turn"
    )
    parser.add_argument(
        "--always", action="append", default=[], metavar="PRODUCT=B", help="behaviour of every request after the script"
    )
    parser.add_argument("--api-key", metavar="KEY", help="answer 403 to every other DD-API-KEY")
    parser.add_argument("--tls", action="store_true", help="speak TLS with a certificate made for this run")
    parser.add_argument("--ca-out", metavar="FILE", help="speak TLS and write the authority's certificate there (PEM)")
    parser.add_argument("--out", metavar="FILE", help="at the end write every request, decoded, as JSON lines")
    return parser
