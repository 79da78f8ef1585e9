"""Settings from `datadog.yaml`, which lies beside the function's code; imported only when the file exists.

Library: PyYAML's pure scanner, parser and composer, without its resolver and constructors. Weighed on 2,500 keys
(64 KB): PyYAML 76 ms and 8 modules, ruamel.yaml 138 ms and 21 modules; the C parser would add 2 MB to the layer. The
reference reads YAML 1.2, so nothing of PyYAML's 1.1 types is used: a scalar is read by the declared type of its field,
from its text as written, and only inside rules and endpoints by the core schema (`yes`, `on`, `1:30` and dates stay
texts).

Unknown keys and maps of another shape than expected are ignored, as in the reference. Malformed YAML ignores the whole
file, with one line. The file's size, and what aliases make of it, are bounded.

Source: specification of the configuration, "Sources and precedence", key tables; YAML 1.2, section 10.3.
"""

# Not compiled: few functions have the file, and the library behind it is interpreted anyway.

from __future__ import annotations

import posix
from typing import Any, Final

from yaml.composer import Composer  # type: ignore[import-untyped]
from yaml.error import MarkedYAMLError, YAMLError  # type: ignore[import-untyped]
from yaml.nodes import MappingNode, ScalarNode, SequenceNode  # type: ignore[import-untyped]
from yaml.parser import Parser  # type: ignore[import-untyped]
from yaml.reader import Reader  # type: ignore[import-untyped]
from yaml.scanner import Scanner  # type: ignore[import-untyped]

from thimble.config import structured
from thimble.config.layers import BadValueError, Layer, quoted
from thimble.config.names import PREFIXED, SECRET_FIELDS
from thimble.config.parsers import clean, parse_pair_list, parse_text

FILE_NAME: Final = "datadog.yaml"

FILE_BYTES_MAX: Final = 256 * 1024
"""A larger file is ignored with one line: reading 1 MiB takes over a second of a full core. The example file that the
host agent ships, nearly all comments, has 200 KB and takes 50 ms."""

NODES_MAX: Final = 20_000
"""Values in one setting, aliases followed; more are refused."""

DEPTH_MAX: Final = 32
"""Nesting of one setting, aliases followed; deeper is refused."""

NAMES: Final = {
    "api_key": "API_KEY",
    "site": "SITE",
    "env": "ENV",
    "service": "SERVICE",
    "version": "VERSION",
    "tags": "TAGS",
    "flush_timeout": "FLUSH_TIMEOUT",
    "compression_level": "COMPRESSION_LEVEL",
    "proxy.https": "PROXY_HTTPS",
    "proxy.no_proxy": "PROXY_NO_PROXY",
    "http_protocol": "HTTP_PROTOCOL",
    "tls_cert_file": "TLS_CERT_FILE",
    "skip_ssl_validation": "SKIP_SSL_VALIDATION",
    "dd_url": "DD_URL",
    "additional_endpoints": "ADDITIONAL_ENDPOINTS",
    "serverless_flush_strategy": "SERVERLESS_FLUSH_STRATEGY",
    "api_key_secret_arn": "API_KEY_SECRET_ARN",
    "kms_api_key": "KMS_API_KEY",
    "api_key_ssm_arn": "API_KEY_SSM_ARN",
    "org_uuid": "ORG_UUID",
    "api_key_secret_reload_interval": "API_KEY_SECRET_RELOAD_INTERVAL",
    "serverless_logs_enabled": "SERVERLESS_LOGS_ENABLED",
    "logs_enabled": "LOGS_ENABLED",
    "logs_config.logs_dd_url": "LOGS_CONFIG_LOGS_DD_URL",
    "logs_config.processing_rules": "LOGS_CONFIG_PROCESSING_RULES",
    "logs_config.use_compression": "LOGS_CONFIG_USE_COMPRESSION",
    "logs_config.compression_level": "LOGS_CONFIG_COMPRESSION_LEVEL",
    "logs_config.additional_endpoints": "LOGS_CONFIG_ADDITIONAL_ENDPOINTS",
    "lambda_durable_function_log_buffer_size": "LAMBDA_DURABLE_FUNCTION_LOG_BUFFER_SIZE",
    "apm_config.apm_dd_url": "APM_DD_URL",
    "apm_config.additional_endpoints": "APM_ADDITIONAL_ENDPOINTS",
    "apm_config.replace_tags": "APM_REPLACE_TAGS",
    "apm_config.obfuscation.http.remove_query_string": "APM_CONFIG_OBFUSCATION_HTTP_REMOVE_QUERY_STRING",
    "apm_config.obfuscation.http.remove_paths_with_digits": "APM_CONFIG_OBFUSCATION_HTTP_REMOVE_PATHS_WITH_DIGITS",
    "apm_config.compression_level": "APM_CONFIG_COMPRESSION_LEVEL",
    "apm_config.features": "APM_FEATURES",
    "service_mapping": "SERVICE_MAPPING",
    "trace_aws_service_representation_enabled": "TRACE_AWS_SERVICE_REPRESENTATION_ENABLED",
    "trace_propagation_style": "TRACE_PROPAGATION_STYLE",
    "trace_propagation_style_extract": "TRACE_PROPAGATION_STYLE_EXTRACT",
    "trace_propagation_extract_first": "TRACE_PROPAGATION_EXTRACT_FIRST",
    "trace_propagation_http_baggage_enabled": "TRACE_PROPAGATION_HTTP_BAGGAGE_ENABLED",
    "lambda_extension_compute_stats": "LAMBDA_EXTENSION_COMPUTE_STATS",
    "span_dedup_timeout": "SPAN_DEDUP_TIMEOUT",
    "capture_lambda_payload": "CAPTURE_LAMBDA_PAYLOAD",
    "capture_lambda_payload_max_depth": "CAPTURE_LAMBDA_PAYLOAD_MAX_DEPTH",
    "enhanced_metrics": "ENHANCED_METRICS",
    "lambda_proc_enhanced_metrics": "LAMBDA_PROC_ENHANCED_METRICS",
    "metrics_config.compression_level": "METRICS_CONFIG_COMPRESSION_LEVEL",
    "dogstatsd_so_rcvbuf": "DOGSTATSD_SO_RCVBUF",
    "dogstatsd_buffer_size": "DOGSTATSD_BUFFER_SIZE",
    "dogstatsd_queue_size": "DOGSTATSD_QUEUE_SIZE",
    "lambda_customer_metrics_exclude_tags": "LAMBDA_CUSTOMER_METRICS_EXCLUDE_TAGS",
    "serverless_appsec_enabled": "SERVERLESS_APPSEC_ENABLED",
    "appsec_rules": "APPSEC_RULES",
    "appsec_waf_timeout": "APPSEC_WAF_TIMEOUT",
    "api_security_enabled": "API_SECURITY_ENABLED",
    "api_security_sample_delay": "API_SECURITY_SAMPLE_DELAY",
    "otlp_config.traces.enabled": "OTLP_CONFIG_TRACES_ENABLED",
    "otlp_config.receiver.protocols.http.endpoint": "OTLP_CONFIG_RECEIVER_PROTOCOLS_HTTP_ENDPOINT",
    "otlp_config.receiver.protocols.grpc.endpoint": "OTLP_CONFIG_RECEIVER_PROTOCOLS_GRPC_ENDPOINT",
    "otlp_config.receiver.protocols.grpc.max_recv_msg_size_mib": (
        "OTLP_CONFIG_RECEIVER_PROTOCOLS_GRPC_MAX_RECV_MSG_SIZE_MIB"
    ),
    "otlp_config.traces.span_name_as_resource_name": "OTLP_CONFIG_TRACES_SPAN_NAME_AS_RESOURCE_NAME",
    "otlp_config.traces.span_name_remappings": "OTLP_CONFIG_TRACES_SPAN_NAME_REMAPPINGS",
    "otlp_config.traces.ignore_missing_datadog_fields": "OTLP_CONFIG_IGNORE_MISSING_DATADOG_FIELDS",
}
"""Dotted path in the file to the name of the same setting in `thimble.config.names.PREFIXED`."""

_NULLS: Final = ("", "~", "null", "Null", "NULL")
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_STRUCTURED: Final = ("AEP", "LAEP", "PRULES", "RRULES")
_NUMERIC: Final = ("INT", "UINT", "MICROS", "SECS", "SECS0")


def read_file(path: str) -> Layer:
    """The layer of the file at `path`, which exists; it is empty, with one problem, when the file cannot be used."""
    try:
        data = _read_bytes(path)
    except OSError as error:
        return _unusable(f"the file cannot be read ({error.strerror})")
    if len(data) > FILE_BYTES_MAX:
        return _unusable(f"the file has more than {FILE_BYTES_MAX} bytes and is ignored")
    return read_yaml(data)


def read_yaml(data: bytes) -> Layer:
    """The layer of a document; see `read_file`."""
    try:
        root = _Loader(data.decode("utf-8")).get_single_node()
    except UnicodeDecodeError as error:
        return _unusable(f"byte {error.start} is not UTF-8, the whole file is ignored")
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        return _unusable(f"line {line}: {error.problem or error.context}, the whole file is ignored")
    except (YAMLError, ValueError, OverflowError):  # the latter two from escapes of characters that do not exist
        return _unusable("the text is not YAML, the whole file is ignored")
    except RecursionError:
        return _unusable("the text is nested too deeply, the whole file is ignored")
    if root is None or (isinstance(root, ScalarNode) and _is_null(root)):
        return Layer()
    if not isinstance(root, MappingNode):
        return _unusable("the text is not a map of settings, the whole file is ignored")
    layer = Layer()
    found: dict[str, Any] = {}
    _collect(root, "", found, 0)
    for path, name in NAMES.items():
        if path in found:
            field, code = PREFIXED[name]
            _read(layer, path, field, code, found[path])
    return layer


class _Loader(Reader, Scanner, Parser, Composer):  # type: ignore[misc]
    """A composer of nodes that leaves every scalar as it is written."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)

    def resolve(self, kind: type, value: str, implicit: tuple[bool, bool]) -> str:
        """A tag for a node without one: plain scalars and all others are told apart, nothing else."""
        return "plain" if kind is ScalarNode and implicit[0] else "other"

    def descend_resolver(self, current_node: object, current_index: object) -> None:
        """Nothing depends on the place of a node."""

    def ascend_resolver(self) -> None:
        """See `descend_resolver`."""


def _collect(mapping: Any, prefix: str, found: dict[str, Any], depth: int) -> None:
    """Put the nodes at the paths of `NAMES` into `found`; the last of equal keys wins."""
    for key, node in mapping.value:
        if isinstance(key, ScalarNode):
            path = prefix + key.value
            if path in NAMES:
                found[path] = node
            elif isinstance(node, MappingNode) and depth < DEPTH_MAX and _leads_on(path + "."):
                _collect(node, path + ".", found, depth + 1)


def _leads_on(prefix: str) -> bool:
    return any(path.startswith(prefix) for path in NAMES)


def _read(layer: Layer, path: str, field: str, code: str, node: Any) -> None:
    """Convert one node into the layer, or note why it cannot be used."""
    if isinstance(node, ScalarNode) and _is_null(node):
        return
    name = f"{path} in {FILE_NAME}"
    notes: list[str] = []
    value: object | None = None
    try:
        value = _value(code, field, node, notes)
    except BadValueError as error:
        text = "the value"
        if isinstance(node, ScalarNode) and field not in SECRET_FIELDS:
            text = quoted(node.value)
        layer.complain(name, field, f"{text} {error}", True)
    if value is not None:
        layer.put(field, value, name)
    for note in notes:
        layer.complain(name, field, note, False)


def _value(code: str, field: str, node: Any, notes: list[str]) -> object | None:
    if code in _STRUCTURED and isinstance(node, ScalarNode):
        return parse_text(code, clean(node.value), notes)  # the JSON text that the environment would hold
    if code in _STRUCTURED:
        return structured.convert(code, _Construction().build(node, 0), False, notes)
    if field == "tags":
        return parse_pair_list(_texts(node), notes) or None
    if code == "KV":
        return _text_map(node, notes) or None
    if code == "CSV" and isinstance(node, SequenceNode):
        return tuple(text for text in map(str.strip, _texts(node)) if text) or None
    if not isinstance(node, ScalarNode):
        raise BadValueError("is not a single value")
    text = clean(node.value)
    if code in _NUMERIC and _is_plain(node):
        text = _decimal(text)
    return parse_text(code, text, notes)


def _texts(node: Any) -> list[str]:
    """Scalars of a list as texts; other items become texts that no rule accepts."""
    if not isinstance(node, SequenceNode):
        raise BadValueError("is not a list")
    return [clean(item.value) if isinstance(item, ScalarNode) else "(a map or list)" for item in node.value]


def _text_map(node: Any, notes: list[str]) -> dict[str, str]:
    if not isinstance(node, MappingNode):
        raise BadValueError("is not a map")
    pairs: dict[str, str] = {}
    for key, value in node.value:
        if isinstance(key, ScalarNode) and isinstance(value, ScalarNode) and key.value and value.value:
            pairs[clean(key.value)] = clean(value.value)
        else:
            notes.append("a pair was dropped, it is not key: value")
    return pairs


class _Construction:
    """Turns nodes into Python values by the core schema, within `NODES_MAX` and `DEPTH_MAX`."""

    def __init__(self) -> None:
        self._nodes = 0

    def build(self, node: Any, depth: int) -> object:
        """The value of a node.

        Raises:
            BadValueError: Too many nodes or too deep, aliases followed.
        """
        self._nodes += 1
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise BadValueError("is too large or nested too deeply")
        if isinstance(node, SequenceNode):
            return [self.build(item, depth + 1) for item in node.value]
        if isinstance(node, MappingNode):
            return {str(self.build(key, depth + 1)): self.build(value, depth + 1) for key, value in node.value}
        return _scalar(node)


def _scalar(node: Any) -> object:
    """None, a boolean, an integer, a float or a text, by the core schema."""
    text: str = node.value
    if not _is_plain(node):
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    decimal = _decimal(text)
    digits = decimal[1:] if decimal[:1] in "+-" else decimal
    if digits.isascii() and digits.isdigit() and len(digits) <= 40:
        return int(decimal)
    if digits and not digits.strip("0123456789.") and digits.count(".") == 1 and digits != ".":
        return float(decimal)
    return text


def _decimal(text: str) -> str:
    """A plain number of another form in plain decimal digits; every other text as it is."""
    for prefix, base in (("0x", 16), ("0o", 8)):
        if text.startswith(prefix) and len(text) <= 40:
            try:
                return str(int(text[2:], base)) if text[2:].isalnum() else text
            except ValueError:
                return text
    mantissa, exponent_mark, exponent = text.lower().partition("e")
    if exponent_mark and len(text) <= 40 and not (mantissa + exponent).strip("+-.0123456789"):
        try:
            number = float(text)
        except ValueError:
            return text
        return f"{number:.6f}".rstrip("0").rstrip(".") if abs(number) < 1e15 else text
    return text


def _is_plain(node: Any) -> bool:
    return bool(node.tag == "plain")


def _is_null(node: Any) -> bool:
    return _is_plain(node) and node.value in _NULLS


def _read_bytes(path: str) -> bytes:
    """At most one byte more than `FILE_BYTES_MAX`; a pipe in the file's place does not block."""
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        chunks: list[bytes] = []
        left = FILE_BYTES_MAX + 1
        while left:
            chunk = posix.read(descriptor, left)
            if not chunk:
                break
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)
    finally:
        posix.close(descriptor)


def _unusable(text: str) -> Layer:
    layer = Layer()
    layer.complain(FILE_NAME, "", text, False)
    return layer
