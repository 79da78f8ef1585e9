"""The bytes of one entry for the logs intake, as constant fragments around what differs between lines.

    {"message":{"message":TEXT,"lambda":{"arn":ARN,"request_id":ID},"timestamp":MS,"status":STATUS},
     "hostname":ARN,"service":SERVICE,"ddtags":TAGS,"ddsource":"lambda"}

without the white space. An entry is `HEAD`, the text as JSON, `after_text(id)`, the milliseconds, `after_time(status)`.
"""

from __future__ import annotations

from typing import Final

import orjson

HEAD: Final = b'{"message":{"message":'
TO_TIME: Final = b'},"timestamp":'
TO_STATUS: Final = b',"status":"'
_TO_END: Final = b',"ddsource":"lambda"}'

_BACKSLASH: Final = 0x5C
_LETTER_U: Final = 0x75


class EntryFragments:
    """The constant parts of every entry of one function.

    Args:
        arn: The function's ARN, lower-cased.
        service: Value of `service`; empty when the user named none.
        tags: Tags joined by commas.

    Attributes:
        to_request_id: What stands between the text and the request id.
        after_status: What follows the name of the status, if the line brings no tags of its own.
    """

    def __init__(self, arn: str, service: str, tags: str) -> None:
        arn_json = json_text(arn)
        self._tags = tags
        self.to_request_id = b',"lambda":{"arn":' + arn_json + b',"request_id":'
        self._to_tags = b'"},"hostname":' + arn_json + b',"service":' + json_text(service) + b',"ddtags":'
        self.after_status = self._to_tags + json_text(tags) + _TO_END
        self._info = TO_STATUS + b"info" + self.after_status

    def after_text(
        self, request_id: str, durable: tuple[str, str] | None = None, more: bytes = b"", is_named: bool = False
    ) -> bytes:
        """From the end of the text to the timestamp. An empty id is written as null.

        Args:
            request_id: The invocation that the line belongs to, or empty.
            durable: Name and id of a durable execution, if the line belongs to one.
            more: Further members of the object with the request id, each with a comma before it.
            is_named: True writes even an empty id as a text.
        """
        parts = [self.to_request_id, json_text(request_id) if is_named else request_id_json(request_id)]
        if durable is not None:
            parts.append(b',"durable_function.execution_id":' + json_text(durable[1]))
            parts.append(b',"durable_function.execution_name":' + json_text(durable[0]))
        parts.append(more)
        parts.append(TO_TIME)
        return b"".join(parts)

    def after_time(self, status: str, extra_tags: str | None = None) -> bytes:
        """From the end of the timestamp to the end of the entry; `extra_tags` follow the tags after a comma."""
        if extra_tags is None:
            return self._info if status == "info" else TO_STATUS + status.encode() + self.after_status
        tags_json = json_text(self._tags + "," + extra_tags)
        return TO_STATUS + status.encode() + self._to_tags + tags_json + _TO_END


def request_id_json(request_id: str) -> bytes:
    """A request id as JSON; an empty one is null."""
    return json_text(request_id) if request_id else b"null"


def json_text(text: str) -> bytes:
    """Write a text as JSON, non-ASCII as it is. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    try:
        return orjson.dumps(text)
    except (TypeError, ValueError):
        return orjson.dumps(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def cut_json_text(text_json: bytes, size_max: int) -> bytes:
    """Shorten a JSON string to at most `size_max` bytes, quotes included, at a character boundary.

    Args:
        text_json: A string as `json_text` writes it.
        size_max: At least 2.
    """
    if len(text_json) <= size_max:
        return text_json
    end = size_max - 1
    while end > 1 and text_json[end] & 0xC0 == 0x80:
        end -= 1
    # An escape has at most 6 bytes. The last backslash before the cut begins one unless it is the second of a pair.
    escape = text_json.rfind(b"\\", max(1, end - 6), end)
    if escape >= 0:
        begin = escape
        while begin > 1 and text_json[begin - 1] == _BACKSLASH:
            begin -= 1
        is_escape_start = (escape - begin) % 2 == 0
        if is_escape_start and escape + (6 if text_json[escape + 1] == _LETTER_U else 2) > end:
            end = escape
    return text_json[:end] + b'"'
