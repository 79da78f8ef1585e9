"""The command line: `thimble run`, `thimble demo`, `thimble config`, `thimble build-info`.

Only the parser lives here, so that `thimble --version` and a wrong option answer at once; what a command needs is
imported when it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Final

from thimble.version import VERSION

EXIT_TROUBLE: Final = 2
"""Exit status when a command could not do its work: wrong arguments, something missing."""

EXIT_LOST: Final = 3
"""Exit status of `run --strict` when an invocation failed, something was lost, or the platform's protocol broken; of
`config --strict` when a setting is wrong."""

SANDBOX_PACKAGES: Final = ("aiohttp", "awslambdaric", "cryptography", "google", "msgpack", "rich", "trustme")
"""Top-level names that the extra `thimble[sandbox]` brings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = make_parser().parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if options.command == "build-info":
            return _build_info(options)
        return _config(options) if options.command == "config" else _sandbox_command(options)
    except KeyboardInterrupt:
        return complain("interrupted")
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_TROUBLE


def _sandbox_command(options: argparse.Namespace) -> int:
    try:
        from thimble.sandbox import commands
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name not in SANDBOX_PACKAGES:
            raise
        return complain(f"{name} is not installed: run pip install 'thimble[sandbox]' to use thimble {options.command}")
    try:
        return commands.run(options) if options.command == "run" else commands.demo(options)
    except commands.CommandError as error:
        return complain(str(error))


def complain(text: str) -> int:
    """Print one sentence on standard error and return the exit status for trouble."""
    print(f"thimble: {text}.", file=sys.stderr)
    return EXIT_TROUBLE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; the documentation is made from it too."""
    parser = argparse.ArgumentParser(
        prog="thimble",
        description="An AWS Lambda extension that sends logs, metrics and traces to Datadog, and a local Lambda to "
        "try it in.",
    )
    parser.add_argument("--version", action="version", version=f"thimble {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_demo(commands)
    _add_config(commands)
    info = commands.add_parser(
        "build-info",
        help="say which form is installed, pure or compiled",
        description="Say which form of the package is installed, its version, and which modules are machine code.",
    )
    info.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = commands.add_parser(
        "run",
        help="run a function beside the extension on this machine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run a Lambda function beside the extension on this machine, with no AWS account, no Docker and\n"
        "no Datadog key, and show per invocation what Datadog would receive: log lines, durations, billed\n"
        "time, the time that the extension adds after the response, memory. Nothing is sent to Datadog.",
        epilog="examples:\n"
        "  thimble run app.handler --event event.json\n"
        "  thimble run app.handler --event '{\"n\": 1}' --invocations 10 --memory 256 --timeout 5\n"
        "  thimble run index.handler --runtime node --root build/\n"
        "  thimble run --runtime bootstrap --root target/ --env DD_SERVICE=orders --json report.json\n"
        "  thimble run app.handler --intake-latency 300 --fault logs=503      how does it cope?",
    )
    function = run.add_argument_group("the function")
    function.add_argument(
        "handler", nargs="?", default="", metavar="HANDLER",
        help="as in Lambda's configuration, app.handler; not needed for a bootstrap",
    )  # fmt: skip
    function.add_argument("--root", default=".", metavar="DIR", help="folder of the code (default: this folder)")
    function.add_argument(
        "--runtime", choices=("python", "node", "bootstrap"), default=None,
        help="default: bootstrap without a handler, node when the handler's file is JavaScript, else python",
    )  # fmt: skip
    function.add_argument(
        "--event", action="append", default=[], metavar="JSON",
        help="a file, - for standard input, or JSON text; repeat it for one event per invocation (default: {})",
    )  # fmt: skip
    function.add_argument(
        "--invocations", "-n", type=_count, default=None, metavar="N",
        help="how many; events are used in turn (default: one per event)",
    )  # fmt: skip
    function.add_argument("--memory", type=_count, default=512, metavar="MB", help="memory size (default: 512)")
    function.add_argument("--timeout", type=_seconds, default=3.0, metavar="S", help="time-out, seconds (default: 3)")
    function.add_argument(
        "--env", action="append", default=[], metavar="K=V", help="a variable of the function, DD_ ones too; repeat it"
    )
    function.add_argument("--name", default="", metavar="NAME", help="function name (default: the folder's name)")
    extension = run.add_argument_group("the extension")
    extension.add_argument(
        "--extension", metavar="PATH", default=None,
        help="an executable, the folder of a layer, package (the installed one), or none "
        "(default: the built layer dist/layer if there is one, else package)",
    )  # fmt: skip
    extension.add_argument(
        "--intake-latency", type=_milliseconds, default=0.0, metavar="MS", help="the local intake answers so late"
    )
    extension.add_argument(
        "--fault", action="append", default=[], metavar="PRODUCT=WHAT",
        help="the local intake misbehaves: a status such as logs=503, or close, truncate, reset, reset-early, hang, "
        "garbage; PRODUCT may be all",
    )  # fmt: skip
    extension.add_argument(
        "--tls", action="store_true", help="the local intake speaks TLS; DD_TLS_CERT_FILE names its authority"
    )
    place = run.add_argument_group("the machine")
    place.add_argument(
        "--cpu", type=_share, default=None, metavar="SHARE",
        help="part of one core, as Lambda gives by memory: 0.07 for 128 MB (needs a writable cgroup)",
    )  # fmt: skip
    place.add_argument(
        "--pause", type=_seconds, default=0.0, metavar="S", help="seconds between invocations, with everything frozen"
    )
    place.add_argument(
        "--isolated", action="store_true",
        help="a network of its own too, so that the extension's ports are free; the function then reaches nothing else",
    )  # fmt: skip
    place.add_argument(
        "--direct", action="store_true",
        help="no walls: by default the layer is at /opt and the code at /var/task, as on Lambda, where this machine "
        "allows such mounts",
    )  # fmt: skip
    _add_output(run)
    run.add_argument(
        "--strict", action="store_true",
        help=f"exit with {EXIT_LOST} when an invocation failed, a log line was lost or the protocol was broken",
    )  # fmt: skip


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="see it work with a sample function",
        description="Run a sample function beside the extension: a cold, a warm, a failing and a timing-out "
        "invocation, and what Datadog would have received of them.",
    )
    demo.add_argument("--extension", metavar="PATH", default=None, help="as in thimble run")
    demo.add_argument("--direct", action="store_true", help="as in thimble run")
    _add_output(demo)


def _add_config(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    config = commands.add_parser(
        "config",
        help="show the settings in effect and where each comes from",
        description="Show every setting as the extension would read it with this environment and the function's "
        "datadog.yaml: its value, and where that comes from. Secrets are not shown. What is wrong with a setting is "
        "said on standard error, in the words of the extension's own log.",
    )
    config.add_argument(
        "--root", default=None, metavar="DIR", help="folder of the code, for its datadog.yaml (default: /var/task)"
    )
    config.add_argument(
        "--env", action="append", default=[], metavar="K=V", help="a variable on top of the environment; repeat it"
    )
    config.add_argument("--changed", action="store_true", help="leave out what is at its default")
    config.add_argument("--json", action="store_true", help="print JSON, with the meaning of each setting")
    config.add_argument("--strict", action="store_true", help=f"exit with {EXIT_LOST} when a setting is wrong")


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument("--json", metavar="OUT", default=None, help="write the report as JSON; - for standard output")
    output.add_argument("--full", action="store_true", help="show every invocation and every log line, uncut")


def _build_info(options: argparse.Namespace) -> int:
    from thimble.build_info import BrokenBuild, build_info, describe

    try:
        info = build_info()
    except BrokenBuild as error:
        return complain(str(error))
    print(json.dumps(info) if options.json else describe(info))
    return 0


def _config(options: argparse.Namespace) -> int:
    from thimble.sandbox.settings_view import BadArguments, environment_of, show

    try:
        environ = environment_of(options.env, options.root)
    except BadArguments as error:
        return complain(str(error))
    problems = show(environ, options.json, options.changed)
    return EXIT_LOST if problems and options.strict else 0


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    return _number(text, "seconds")


def _milliseconds(text: str) -> float:
    return _number(text, "milliseconds")


def _share(text: str) -> float:
    share = _number(text, "a share of a core")
    if share == 0.0:
        raise argparse.ArgumentTypeError("a share of 0 would never run")
    return share


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}, 0 or more")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
