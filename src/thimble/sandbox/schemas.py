"""Protobuf messages of the Datadog intake, as tables that the real `protobuf` package turns into classes.

Nothing here is shared with the extension's own encoder: the two meet only on the wire, so an encoder that numbers a
field wrongly shows up as an unknown field or a wrong value.

Source: the public schemas of Datadog's agent payloads (`SketchPayload`, `AgentPayload`) and of its DDSketch.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

MESSAGES: Final = {
    "SketchPayload": "1 sketches Sketch*, 2 metadata CommonMetadata",
    "CommonMetadata": "1 agent_version string, 2 timezone string, 3 current_epoch double, 4 internal_ip string, "
    "5 public_ip string, 6 api_key string",
    "Sketch": "1 metric string, 2 host string, 3 distributions Distribution*, 4 tags string*, "
    "7 dogsketches Dogsketch*, 8 metadata Metadata",
    "Distribution": "1 ts int64, 2 cnt int64, 3 min double, 4 max double, 5 avg double, 6 sum double, 7 v double*, "
    "8 g uint32*, 9 delta uint32*, 10 buf double*",
    "Dogsketch": "1 ts int64, 2 cnt int64, 3 min double, 4 max double, 5 avg double, 6 sum double, 7 k sint32*, "
    "8 n uint32*",
    "Metadata": "1 origin Origin",
    "Origin": "4 origin_product uint32, 5 origin_category uint32, 6 origin_service uint32",
    "AgentPayload": "1 hostName string, 2 env string, 5 tracerPayloads TracerPayload*, 6 tags string:string, "
    "7 agentVersion string, 8 targetTPS double, 9 errorTPS double, 10 rareSamplerEnabled bool",
    "TracerPayload": "1 containerID string, 2 languageName string, 3 languageVersion string, 4 tracerVersion string, "
    "5 runtimeID string, 6 chunks TraceChunk*, 7 tags string:string, 8 env string, 9 hostname string, "
    "10 appVersion string",
    "TraceChunk": "1 priority int32, 2 origin string, 3 spans Span*, 4 tags string:string, 5 droppedTrace bool",
    "Span": "1 service string, 2 name string, 3 resource string, 4 traceID uint64, 5 spanID uint64, "
    "6 parentID uint64, 7 start int64, 8 duration int64, 9 error int32, 10 meta string:string, "
    "11 metrics string:double, 12 type string, 13 meta_struct string:bytes, 14 spanLinks SpanLink*, "
    "15 spanEvents SpanEvent*",
    "SpanLink": "1 traceID uint64, 2 traceID_high uint64, 3 spanID uint64, 4 attributes string:string, "
    "5 tracestate string, 6 flags uint32",
    "SpanEvent": "1 time_unix_nano fixed64, 2 name string, 3 attributes string:AttributeAnyValue",
    "AttributeAnyValue": "1 type int32, 2 string_value string, 3 bool_value bool, 4 int_value int64, "
    "5 double_value double, 6 array_value AttributeArray",
    "AttributeArray": "1 values AttributeArrayValue*",
    "AttributeArrayValue": "1 type int32, 2 string_value string, 3 bool_value bool, 4 int_value int64, "
    "5 double_value double",
    "DDSketch": "1 mapping IndexMapping, 2 positiveValues Store, 3 negativeValues Store, 4 zeroCount double",
    "IndexMapping": "1 gamma double, 2 indexOffset double, 3 interpolation int32",
    "Store": "1 binCounts sint32:double, 2 contiguousBinCounts double*, 3 contiguousBinIndexOffset sint32",
}
"""Message name to fields: number, name, type; `*` means repeated, `key:value` a map. Enums are read as numbers."""

PACKAGE: Final = "thimble.sandbox"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "double": _Field.TYPE_DOUBLE,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "int32": _Field.TYPE_INT32,
    "fixed64": _Field.TYPE_FIXED64,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "uint32": _Field.TYPE_UINT32,
    "sint32": _Field.TYPE_SINT32,
}

UNKNOWN: Final = "(unknown fields)"
"""Key under which a decoded message lists the numbers of fields that its table does not have."""


class SchemaError(ValueError):
    """The bytes are not a message of the kind asked for."""


def decode_message(kind: str, data: bytes) -> dict[str, Any]:
    """Decode one protobuf message into plain values.

    Args:
        kind: A key of `MESSAGES`.
        data: The encoded message, without a length prefix.

    Returns:
        Field name to value, for the fields present on the wire: numbers, text, bytes, lists and dictionaries.
        A message that holds fields outside its table lists their numbers under `UNKNOWN`.

    Raises:
        SchemaError: The bytes cannot be parsed.
    """
    message = message_class(kind)()
    try:
        message.ParseFromString(data)
    except ProtobufError as error:
        raise SchemaError(f"not a {kind} message: {error}") from error
    return _plain(message)


@cache
def message_class(kind: str) -> type[Message]:
    """Return the class of one message; tests use it to encode with the real library."""
    found: type[Message] = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{kind}"))
    return found


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="thimble_sandbox.proto", package=PACKAGE, syntax="proto3")
    for kind, fields in MESSAGES.items():
        message = file.message_type.add(name=kind)
        for field in fields.split(", "):
            number, name, type_name = field.split(" ")
            _add_field(message, int(number), name, type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(message: descriptor_pb2.DescriptorProto, number: int, name: str, type_name: str) -> None:
    label = _Field.LABEL_REPEATED if type_name.endswith("*") or ":" in type_name else _Field.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    if ":" in type_name:
        entry_name = "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        for part_number, part_name, part_type in zip((1, 2), ("key", "value"), type_name.split(":"), strict=True):
            _set_type(entry.field.add(name=part_name, number=part_number, label=_Field.LABEL_OPTIONAL), part_type)
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{message.name}.{entry_name}"
    else:
        _set_type(field, type_name.removesuffix("*"))


def _set_type(field: descriptor_pb2.FieldDescriptorProto, type_name: str) -> None:
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{type_name}"


def _plain(message: Message) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field, value in message.ListFields():
        options = field.message_type.GetOptions() if field.message_type is not None else None
        if options is not None and options.map_entry:
            values[field.name] = {key: _plain_value(value[key]) for key in value}
        elif field.is_repeated:
            values[field.name] = [_plain_value(item) for item in value]
        else:
            values[field.name] = _plain_value(value)
    unknown = sorted({field.field_number for field in UnknownFieldSet(message)})
    if unknown:
        values[UNKNOWN] = unknown
    return values


def _plain_value(value: Any) -> Any:
    return _plain(value) if isinstance(value, Message) else value
