"""Play one short life of an extension in namespaces of its own and print what happened as JSON.

    python play.py '{"layer": "dist/layer", "root": "/tmp/x", ...}'

Knows the Lambda APIs and an intake just as far as the tests of the bundle need them, and nothing of the package. The
extension is started in an empty root (`root`), with the layer at /opt; without `root` it sees the machine's files, with
the layer over /opt. Keys of the order, all but `layer` optional:

    root        folder to become /; an empty one is fine
    proc        mount /proc in that root
    environ     variables of the extension, beside the API's address
    strace      file for a trace of its system calls
    certificate PEM file of the intake, with its key: the intake then speaks TLS
    host        name of the intake in its address, 127.0.0.1 without
    is_idle     do not invoke; shut down after the first /next
    timeout_s   for each step, 15 without

The record: exit_code, stdout, stderr, next_count, requests (method, path, headers, body as text) and cmdline, comm and
files (what /proc says of the process after the first /next).
"""

import base64
import ctypes
import json
import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from fcntl import ioctl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LAUNCHER = "/opt/extensions/datadog-agent"
IDENTIFIER = "b5f7c1f0-0000-4000-8000-000000000001"
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x1 | 0x40

libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str, flags: int) -> None:
    if libc.mount(source.encode(), str(target).encode(), kind.encode(), ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}: {os.strerror(ctypes.get_errno())}")


class Lambda(ThreadingHTTPServer):
    """The Extensions and Telemetry APIs of one execution environment."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), LambdaHandler)
        self.events: queue.Queue[dict] = queue.Queue()
        self.asked_next: queue.Queue[float] = queue.Queue()
        self.requests: list[dict] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def take(self) -> dict:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        taken = {
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "body": decode(self.headers, body),
        }
        self.server.requests.append(taken)
        return taken

    def answer(self, body: bytes, **headers: str) -> None:
        self.send_response(202 if "api" in self.path else 200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class LambdaHandler(Handler):
    def do_POST(self) -> None:
        self.take()
        self.answer(b'{"functionName":"play","accountId":"123456789012"}', Lambda_Extension_Identifier=IDENTIFIER)

    def do_PUT(self) -> None:
        self.take()
        self.answer(b"OK")

    def do_GET(self) -> None:
        self.server.asked_next.put(time.monotonic())
        self.answer(json.dumps(self.server.events.get()).encode())


class Intake(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate: str) -> None:
        super().__init__(("127.0.0.1", 0), IntakeHandler)
        self.requests: list[dict] = []
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        self.requests.append({"error": repr(sys.exc_info()[1])})


class IntakeHandler(Handler):
    def do_POST(self) -> None:
        self.take()
        self.answer(b"{}")


def decode(headers: object, body: bytes) -> str:
    if headers.get("Content-Encoding") == "zstd":
        from backports import zstd

        body = zstd.decompress(body)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(body).decode()


def prepare(order: dict) -> Path:
    """Put the layer at /opt of the root to be; returns that root."""
    mount("none", Path("/"), "none", MS_REC | MS_PRIVATE)
    root = Path(order.get("root") or "/")
    if str(root) != "/":
        (root / "tmp").mkdir(exist_ok=True)
        if order.get("proc"):
            (root / "proc").mkdir(exist_ok=True)
            mount("proc", root / "proc", "proc", 0)
    (root / "opt").mkdir(exist_ok=True)
    mount(order["layer"], root / "opt", "none", MS_BIND)
    with socket.socket() as sock:
        ioctl(sock, SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + IFF_UP_RUNNING.to_bytes(2, "little") + bytes(14))
    return root


def start(order: dict, root: Path, environ: dict[str, str]) -> subprocess.Popen:
    command = [LAUNCHER]
    enter = None
    if str(root) != "/":
        if order.get("strace"):
            command = [shutil.which("chroot"), str(root), *command]
        else:
            descriptor = os.open(root, os.O_RDONLY)

            def enter() -> None:
                os.fchdir(descriptor)
                os.chroot(".")

    if order.get("strace"):
        variables = [f"{name}={value}" for name, value in environ.items()]
        command = ["strace", "-f", "-qq", "-s", "300", "-e", "trace=%file,%process", "-o", order["strace"], "--",
                   "env", "-i", *variables, *command]  # fmt: skip
        environ = dict(os.environ)
    return subprocess.Popen(
        command, env=environ, cwd="/", preexec_fn=enter, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def post_telemetry(events: list[dict]) -> int:
    body = json.dumps(events).encode()
    with socket.create_connection(("127.0.0.1", 8999), timeout=10) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: sandbox:8999\r\nContent-Type: application/json\r\n"
                     b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)  # fmt: skip
        answer = b""
        while more := sock.recv(65536):
            answer += more
    return int(answer.split(b" ", 2)[1])


def deadline_ms(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


def stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def invoke(api: Lambda, wait_s: float) -> None:
    """One invocation: INVOKE, a line of the function, the runtime is done, the extension asks again."""
    api.events.put({
        "eventType": "INVOKE", "deadlineMs": deadline_ms(10), "requestId": REQUEST_ID,
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:play",
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-0-0;Parent=0;Sampled=0"},
    })  # fmt: skip
    status = post_telemetry([
        {"time": stamp(), "type": "platform.start", "record": {"requestId": REQUEST_ID, "version": "$LATEST"}},
        {"time": stamp(), "type": "function", "record": "hello from the function\n"},
        {"time": stamp(), "type": "platform.runtimeDone",
         "record": {"requestId": REQUEST_ID, "status": "success", "metrics": {"durationMs": 12.5, "producedBytes": 4}}},
    ])  # fmt: skip
    if status != 200:
        raise RuntimeError(f"telemetry was answered with {status}")
    api.asked_next.get(timeout=wait_s)


def look_at(process: subprocess.Popen) -> dict:
    """What /proc says of the extension (not of strace)."""
    folder = Path("/proc") / str(process.pid)
    maps = {line.split(maxsplit=5)[5] for line in (folder / "maps").read_text().splitlines() if line.count("/") > 0}
    return {
        "cmdline": (folder / "cmdline").read_text().split("\0")[:-1],
        "comm": (folder / "comm").read_text().strip(),
        "maps": sorted(name for name in maps if name.startswith("/")),
    }


def play(order: dict) -> dict:
    wait_s = order.get("timeout_s", 15)
    root = prepare(order)
    api, intake = Lambda(), Intake(order.get("certificate", ""))
    for server in (api, intake):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    scheme = "https" if order.get("certificate") else "http"
    address = f"{scheme}://{order.get('host', '127.0.0.1')}:{intake.server_port}"
    environ = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "play",
        "AWS_REGION": "us-east-1", "DD_API_KEY": "0123456789abcdef0123456789abcdef",
        "DD_LOGS_CONFIG_LOGS_DD_URL": address, "DD_DD_URL": address, "DD_APM_DD_URL": address,
        **order.get("environ", {}),
    }  # fmt: skip
    process = start(order, root, environ)
    record: dict = {}
    output: list[bytes] = []
    reader = threading.Thread(target=lambda: output.extend(process.communicate()))
    try:
        api.asked_next.get(timeout=wait_s)
        if not order.get("strace"):
            record |= look_at(process)
        reader.start()
        if not order.get("is_idle"):
            invoke(api, wait_s)
        api.events.put({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline_ms(2)})
        reader.join(wait_s)
        record["is_ended"] = not reader.is_alive()
    except queue.Empty:
        record["is_ended"] = False
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        if reader.ident is None:
            reader.start()
        reader.join(5)
    record |= {
        "exit_code": process.returncode, "stdout": output[0].decode(), "stderr": output[1].decode(),
        "api": api.requests, "intake": intake.requests,
    }  # fmt: skip
    return record


if __name__ == "__main__":
    print(json.dumps(play(json.loads(sys.argv[1]))))
