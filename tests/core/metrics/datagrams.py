"""Datagrams for properties and for the fuzz target: lines that are right, nearly right, or bytes."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

NAMES = (
    "a", "b.c", "hits", "aws.lambda.enhanced.errors", "aws.lambda.enhanced.invocations", "runtime.x", "é", "_sc", "x|y",
    "", "_e{", "shop.hits",
)  # fmt: skip
NUMBERS = (
    "1", "0", "-0", "2.5", "1e3", "-7", ".5", "7.", "1e400", "inf", "NaN", "x", "1_0", "123456789012345678", "0.1",
    "1e-7", "3.141592653589793", "0.30000000000000004", "99999999999999999999999", "1e22", "1e23", "", "+1", "-", "e5",
    "1e", "1e+5",
    "0x1", "000001.50", "9007199254740993", "1" * 30 + "." + "2" * 30, "1e-400", "179769313486231570000e289",
    "1e99999999999", "1e-99999999999", "0e99999999", "0.000000000000000000000000000000001",
)  # fmt: skip
TYPES = ("c", "g", "d", "c", "g", "d", "h", "ms", "s", "q", "C", "", "c\r")
TAGS = (
    "a:1", "b:2", "a", "k:", ":v", ":", "", "a-b:x", "é:ü", "x:y:z", "function_arn:x", "a:0", "A:1",
    *[f"t{number}" for number in range(30)],
)  # fmt: skip
TIMES = (
    "1712345612",
    "1712345619.5",
    "0",
    "-3",
    "inf",
    "x",
    "",
    "1712349999",
    "1e300",
    "12.5",
    "0.5",
    "1",
    "1712345677.5",
)
RATES = ("0.25", "0.1", "1", "2", "-1", "nan", "x", "", "1e-5", "1e-300", "0.3", "0.5", "1e-400")
OTHERS = ("", "c:abc", "e:x", "card:low", "Zz", "#", "T", "@")
ODD_BYTES = (
    0, 0xFF, 0xC3, 0xE2, 0xED, 0xA0, 0xF0, 0x9F, 0x98, 0x80, 0xF4, 0x8F, ord(":"), ord("|"), ord("#"), ord(","), 10,
)  # fmt: skip


def random_field(random: Random) -> str:
    what = random.random()
    if what < 0.5:
        count = random.choice((0, 1, 2, 3, 5, 8, 101 if random.random() < 0.1 else 4))
        return "#" + ",".join(random.choice(TAGS) for _ in range(count))
    if what < 0.65:
        return "T" + random.choice(TIMES)
    if what < 0.8:
        return "@" + random.choice(RATES)
    return random.choice(OTHERS)


def random_line(random: Random) -> bytes:
    line = random.choice(NAMES) + (":" if random.random() < 0.95 else "")
    line += ":".join(random.choice(NUMBERS) for _ in range(random.choice((1, 1, 1, 2, 3))))
    line += ("|" if random.random() < 0.95 else "") + random.choice(TYPES)
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        line += "|" + random_field(random)
    data = bytearray(line.encode())
    if random.random() < 0.1:
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data)) if data else 0 : 0] = bytes((random.choice(ODD_BYTES),))
    return bytes(data)


def random_datagram(random: Random) -> bytes:
    return b"\n".join(random_line(random) for _ in range(random.randint(1, 8)))


def datagrams() -> st.SearchStrategy[bytes]:
    """Any datagram: structured ones, and bytes that mean nothing."""
    structured = st.integers(0, 2**64).map(lambda seed: random_datagram(Random(seed)))
    return st.one_of(structured, st.binary(max_size=200), st.text("a:|c#,@T1.e-\n", max_size=60).map(str.encode))
