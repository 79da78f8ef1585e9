"""Stage 0: from exec to the first `/next` with nothing imported but built-in modules.

Lambda starts the runtime when every extension has registered, and dispatches the first invocation when every
extension has asked for `/next`, so these few milliseconds are taken from the function's own start. In order:

1. bind and listen on every local port: from now on the kernel's backlog and the datagram buffer are our queue;
2. register, and subscribe to telemetry over the same connection (possible only before the first `/next`);
3. send the first `/next` without waiting for its answer;
4. import stage 1 (`thimble.app`) and hand everything over.

A port that is taken or a refused subscription switches off one feature and says so in one line. A failed
registration ends the process, since Lambda has no place for an unregistered extension. After it nothing does: when
stage 1 cannot be imported or breaks, `idle` keeps answering `/next`.
"""

import _socket
import posix

EXTENSION_NAME = b"datadog-agent"
REGISTER_PATH = b"/2020-01-01/extension/register"
NEXT_PATH = b"/2020-01-01/extension/event/next"
TELEMETRY_PATH = b"/2022-07-01/telemetry"
MANAGED_INSTANCES = b"lambda-managed-instances"

LIFECYCLE_PORT = 8124
DOGSTATSD_PORT = 8125
TRACE_AGENT_PORT = 8126
TELEMETRY_PORT = 8999

BACKLOG = 512
ANSWER_BYTES_MAX = 65536
DATAGRAM_BUFFER_BYTES = 8 * 1024 * 1024
"""Asked for, since the buffer is the only queue until stage 1 runs; the kernel gives twice its `rmem_max` at most."""
DESCRIPTORS_MAX = 1024
"""Lambda's own limit of open files per process."""
SO_REUSEADDR = _socket.SO_REUSEADDR


class Handover:
    """What stage 0 leaves to stage 1."""

    def __init__(self, environ):
        self.environ = environ
        self.sockets = {}
        """Port to a bound socket: listening for TCP. A port that could not be bound is missing."""
        self.telemetry_port = TELEMETRY_PORT
        """Where telemetry comes to: its socket stands in `sockets` under `TELEMETRY_PORT` all the same."""
        self.problems = []
        """`(level, text)` of what went wrong so far, to be logged."""
        self.api_host = ""
        self.api_port = 0
        self.extension_id = ""
        self.account_id = ""
        self.is_subscribed = False
        """Whether the subscription was answered with 200; otherwise no telemetry will come."""
        self.connection = None
        """The socket of the Lambda APIs."""
        self.is_next_pending = False
        """Whether a `/next` was sent on `connection` whose answer nobody has read."""
        self.is_managed = False
        self.loaded = None
        """What `load_settings` answered, when stage 0 needed it already: the subscription depends on a file."""
        self.is_over = False
        """SHUTDOWN was received: there is no event to come, so a broken stage 1 leaves nothing to go on with."""


class ApiError(Exception):
    """The Extensions API did not answer as it must."""


def bind(handover, port, address, is_datagram):
    """Bind a port; when that of telemetry is taken, any other does, since the subscription names it."""
    try:
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM if is_datagram else _socket.SOCK_STREAM)
        if is_datagram:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, DATAGRAM_BUFFER_BYTES)
        else:
            sock.setsockopt(_socket.SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            if port != TELEMETRY_PORT:
                raise
            sock.bind((address, 0))
            handover.telemetry_port = sock.getsockname()[1]
            text = f"TELEMETRY API | TCP port {port} is taken, telemetry comes to {handover.telemetry_port} instead."
            handover.problems.append(("WARN", text))
        if not is_datagram:
            sock.listen(BACKLOG)
    except OSError as error:
        kind = "UDP" if is_datagram else "TCP"
        text = f"EXTENSION | Cannot listen on {kind} port {port}: {error.strerror or error}. That feature is off."
        handover.problems.append(("ERROR", text))
        return
    handover.sockets[port] = sock


def bind_all(handover):
    bind(handover, TELEMETRY_PORT, "0.0.0.0", False)
    bind(handover, LIFECYCLE_PORT, "127.0.0.1", False)
    bind(handover, DOGSTATSD_PORT, "0.0.0.0", True)
    bind(handover, TRACE_AGENT_PORT, "127.0.0.1", False)


def connect(handover):
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    sock.connect((handover.api_host, handover.api_port))
    sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    return sock


def request(method, path, host, headers, body):
    head = method + b" " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + headers
    if body:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


def read_answer(sock):
    """Read one whole answer.

    Returns:
        `(status, headers, body, keeps)`: headers with lower-case names, and whether the connection may be used again.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(ANSWER_BYTES_MAX)
        if not more or len(data) > ANSWER_BYTES_MAX:
            raise ApiError("the connection ended before a complete answer")
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    parts = lines[0].split(b" ", 2)
    if len(parts) < 2 or not parts[1].isdigit():
        raise ApiError("not an HTTP answer")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    keeps = headers.get(b"connection", b"").lower() != b"close" and parts[0] == b"HTTP/1.1"
    length = headers.get(b"content-length", b"")
    if length.isdigit():
        while len(body) < int(length):
            more = sock.recv(ANSWER_BYTES_MAX)
            if not more:
                raise ApiError("the connection ended inside an answer")
            body += more
    elif headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        while not body.endswith(b"0\r\n\r\n") and len(body) < ANSWER_BYTES_MAX:
            more = sock.recv(ANSWER_BYTES_MAX)
            if not more:
                break
            body += more
    else:
        keeps = False
    return int(parts[1]), headers, body, keeps


def exchange(handover, message):
    """Send one request on the open connection, or on a new one, and read its answer."""
    sock = handover.connection
    if sock is not None:
        try:
            sock.sendall(message)
            answer = read_answer(sock)
        except (OSError, ApiError):
            sock.close()
            sock = handover.connection = None
        else:
            if not answer[3]:
                sock.close()
                handover.connection = None
            return answer
    sock = connect(handover)
    sock.sendall(message)
    answer = read_answer(sock)
    if answer[3]:
        handover.connection = sock
    else:
        sock.close()
    return answer


def text_member(body, name):
    """The text of a string member of a small JSON object, without a JSON parser: `""` when absent."""
    at = body.find(b'"' + name + b'"')
    if at < 0:
        return ""
    rest = body[at + len(name) + 2 :].lstrip()
    if not rest.startswith(b":"):
        return ""
    rest = rest[1:].lstrip()
    if not rest.startswith(b'"'):
        return ""
    return rest[1:].partition(b'"')[0].decode("utf-8", "replace")


def register(handover, api):
    events = b'{"events":["SHUTDOWN"]}' if handover.is_managed else b'{"events":["INVOKE","SHUTDOWN"]}'
    headers = b"Lambda-Extension-Name: " + EXTENSION_NAME + b"\r\nLambda-Extension-Accept-Feature: accountId\r\n"
    status, answer, body, _ = exchange(handover, request(b"POST", REGISTER_PATH, api, headers, events))
    identifier = answer.get(b"lambda-extension-identifier", b"")
    if not 200 <= status < 300:
        raise ApiError(f"register was answered with status {status}: {body[:200].decode('utf-8', 'replace').strip()}")
    if not identifier:
        raise ApiError("register was answered without an extension identifier")
    handover.extension_id = identifier.decode("latin-1")
    handover.account_id = text_member(body, b"accountId")


def is_true(value):
    return value.strip().strip(b'"').strip().lower() in (b"true", b"1", b"1.0")


def is_boolean(value):
    return is_true(value) or value.strip().strip(b'"').strip().lower() in (b"false", b"0", b"0.0")


def wants_logs(handover):
    """Whether log lines are to be shipped: either of the two settings is true, or none is set.

    The environment goes before `datadog.yaml`. Only when it says nothing and the file exists are the settings loaded
    here, before `/next`: that costs 10 ms and more.
    """
    environ = handover.environ
    found = {}
    for name, value in environ.items():
        if value and len(name) < 40:
            upper = name.upper()
            if upper.endswith(b"LOGS_ENABLED") and is_boolean(value):
                found[upper] = is_true(value)
    answers = []
    for name in (b"SERVERLESS_LOGS_ENABLED", b"LOGS_ENABLED"):
        for prefix in (b"DD_", b"DATADOG_"):
            if prefix + name in found:
                answers.append(found[prefix + name])
                break
    if answers:
        return any(answers)
    try:
        posix.stat((environ.get(b"LAMBDA_TASK_ROOT") or b"/var/task") + b"/datadog.yaml")
    except (OSError, ValueError):
        return True
    return settings_say_logs(handover)


def settings_say_logs(handover):
    """Load the settings and leave them to stage 1, which says what is wrong with them."""
    try:
        from thimble.config.environment import load_settings

        handover.loaded = load_settings(
            {key.decode("utf-8", "replace"): text.decode("utf-8", "replace") for key, text in handover.environ.items()}
        )
        return handover.loaded[0].logs_enabled
    except Exception:  # a defect that stage 1 meets again, and reports; too many subscribed types harm nobody
        return True


def subscribe(handover, api):
    types = b'["platform","extension","function"]' if wants_logs(handover) else b'["platform"]'
    version = b"2025-01-29" if handover.is_managed else b"2022-12-13"
    body = (
        b'{"schemaVersion":"' + version + b'","destination":{"protocol":"HTTP","URI":"http://sandbox:%d/"},"types":'
        % handover.telemetry_port + types + b',"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}}'
    )  # fmt: skip
    headers = b"Lambda-Extension-Identifier: " + handover.extension_id.encode("latin-1") + b"\r\n"
    status, _, answer, _ = exchange(handover, request(b"PUT", TELEMETRY_PATH, api, headers, body))
    handover.is_subscribed = status == 200
    if not handover.is_subscribed:
        reason = text_member(answer, b"errorMessage") or "no reason given"
        handover.problems.append(
            ("WARN", f"TELEMETRY API | Subscription answered with status {status} ({reason}). No telemetry will come.")
        )


def ask_next(handover, api):
    """Send `/next` without reading the answer."""
    headers = b"Lambda-Extension-Identifier: " + handover.extension_id.encode("latin-1") + b"\r\n"
    message = request(b"GET", NEXT_PATH, api, headers, b"")
    if handover.connection is not None:
        try:
            handover.connection.sendall(message)
            handover.is_next_pending = True
            return
        except OSError:
            handover.connection.close()
            handover.connection = None
    handover.connection = connect(handover)
    handover.connection.sendall(message)
    handover.is_next_pending = True


def split_api(text):
    """`host:port` of the Lambda APIs, the port 80 when it is missing."""
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon and port.isdigit() else (text, 80)


def say(level, text):
    """Write one line of our own log; only failures of stage 0 come this way, so the formatter is imported late."""
    try:
        from thimble.core.codec.log_line import INFO, is_shown, log_line, parse_level

        verbosity = parse_level(posix.environ.get(b"DD_LOG_LEVEL", b"").decode("utf-8", "replace"))
        if not is_shown(level, verbosity if verbosity >= 0 else INFO):
            return
        line = log_line(level, text) + "\n"
    except Exception:
        line = f"DD_EXTENSION | {level} | {text}\n"
    try:
        posix.write(1, line.encode("utf-8", "replace"))
    except OSError:
        return


def close_all_but(connection):
    """Close every descriptor but the log's and `connection`, so that whoever calls a local port is refused at once
    instead of waiting for an answer that never comes.
    """
    keep = connection.fileno() if connection is not None else 2
    posix.closerange(3, keep)
    posix.closerange(max(keep, 2) + 1, DESCRIPTORS_MAX)


def idle(handover, api):
    """Keep answering `/next` and do nothing else, so that our own failure costs no invocation.

    Ends the process: 0 after SHUTDOWN, 1 when `/next` itself fails.
    """
    if handover.is_over:
        posix._exit(1)
    close_all_but(handover.connection)
    failures = 0
    while failures < 3:
        try:
            if not handover.is_next_pending:
                ask_next(handover, api)
            handover.connection.setblocking(True)
            handover.is_next_pending = False
            status, _, body, keeps = read_answer(handover.connection)
        except (OSError, ApiError):
            failures += 1
            handover.connection = None
            continue
        failures = 0
        if not keeps:
            handover.connection.close()
            handover.connection = None
        if status >= 300:
            break
        if b'"SHUTDOWN"' in body:
            posix._exit(0)
    posix._exit(1)


def start():
    """Run stage 0.

    Returns:
        The handover and the API's `host:port`, or None and a reason when the registration failed.
    """
    environ = posix.environ
    handover = Handover(environ)
    api = environ.get(b"AWS_LAMBDA_RUNTIME_API", b"")
    handover.is_managed = environ.get(b"AWS_LAMBDA_INITIALIZATION_TYPE", b"") == MANAGED_INSTANCES
    try:
        handover.api_host, handover.api_port = split_api(api.decode("utf-8", "replace"))
        if not api:
            raise ApiError("AWS_LAMBDA_RUNTIME_API is not set; this program is started by AWS Lambda")
        bind_all(handover)
        register(handover, api)
    except (OSError, ApiError, ValueError) as error:
        return None, f"Registration failed: {error}"
    try:
        if TELEMETRY_PORT in handover.sockets:
            subscribe(handover, api)
    except (OSError, ApiError) as error:
        handover.problems.append(("ERROR", f"TELEMETRY API | Subscription failed: {error}. No telemetry will come."))
    return handover, api


def main():
    handover, detail = start()
    if handover is None:
        posix.write(2, f"Error: {detail}\n".encode("utf-8", "replace"))
        posix._exit(1)
    try:
        ask_next(handover, detail)
    except OSError as error:
        posix.write(2, f"Error: /next cannot be sent: {error}\n".encode("utf-8", "replace"))
        posix._exit(1)
    for level, text in handover.problems:
        say(level, text)
    try:
        import gc

        gc.disable()  # stage 1 makes thousands of objects that stay: looking for garbage among them costs 0.7 ms
        from thimble import app

        code = app.run(handover)
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        say("ERROR", f"EXTENSION | Failed: {reason}. Telemetry is off, the function is unharmed.")
        idle(handover, detail)
    else:
        posix._exit(code)


if __name__ == "__main__":
    main()
