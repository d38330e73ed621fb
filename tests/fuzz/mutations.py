"""Changes to inputs that keep their grammar: trees, lines, records and numbers."""

import struct
from collections.abc import Callable
from random import Random

#: Numbers at which lengths, counters and clocks of 8 to 64 bits go wrong.
EDGES = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**53,
    2**63,
    2**64 - 1,
]
ODD_TEXTS = [
    "",
    "a" * 300,
    "\0",
    "é",
    "\u2028",
    "\x85",
    "\ud800",
    "-1",
    "1e999",
    "NaN",
    "null",
    "🙂",
    "%s{0}",
    "../..",
    "0" * 5000,
]
ODD_VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    -0.0,
    10**400,
    "",
    b"",
    [],
    {},
    [[]],
    {"": None},
]


def number(rng: Random) -> int:
    return rng.choice(EDGES) + rng.randint(-1, 1)


def flipped(data: bytes, rng: Random) -> bytes:
    """One to eight changes of bits, bytes, numbers and lengths."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(7):
            case 0 if changed:
                changed[at - 1] ^= 1 << rng.randrange(8)
            case 1:
                changed[at:at] = rng.randbytes(rng.randint(1, 8))
            case 2:
                del changed[at : at + rng.randint(1, 16)]
            case 3:
                form = rng.choice("BHIQ")
                packed = struct.pack("!" + form, number(rng) % 2 ** (8 * struct.calcsize("!" + form)))
                changed[at : at + len(packed)] = packed
            case 4:
                changed[at:at] = changed[at : at + rng.randint(1, 64)]
            case 5:
                del changed[at:]
            case _ if changed:
                changed[at - 1] = rng.randrange(256)
    return bytes(changed)


def tree(value: object, rng: Random, odd: list = ODD_VALUES) -> object:
    """A value of JSON or msgpack with one node replaced, dropped, doubled or changed a little."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        match rng.randrange(8):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return value | {rng.choice(ODD_TEXTS): value[key]}
            case _:
                return value | {key: tree(value[key], rng, odd)}
    if isinstance(value, list | tuple) and value and rng.random() < 0.9:
        items, at = list(value), rng.randrange(len(value))
        match rng.randrange(8):
            case 0:
                del items[at]
            case 1:
                items.insert(at, items[at])
            case 2:
                items += items * rng.choice((1, 10))
            case _:
                items[at] = tree(items[at], rng, odd)
        return items
    return _leaf(value, rng, odd)


def _leaf(value: object, rng: Random, odd: list) -> object:
    if isinstance(value, bytes) and rng.random() < 0.7:
        return flipped(value, rng)
    if isinstance(value, str) and rng.random() < 0.6:
        at = rng.randrange(len(value) + 1)
        added = rng.choice((rng.choice(ODD_TEXTS), chr(rng.randrange(0x250))))
        return value[:at] + added + value[at + rng.randrange(2) :]
    if type(value) in (int, float) and rng.random() < 0.7:
        return rng.choice((number(rng), -number(rng), value + 1, value - 1, float(value)))
    return rng.choice(odd)


def records(items: list[bytes], rng: Random, change: Callable[[bytes, Random], bytes] = flipped) -> list[bytes]:
    """Items dropped, doubled, swapped, repeated, or one of them changed."""
    items = list(items) or [b""]
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, other = rng.randrange(len(items)), rng.randrange(len(items))
        match rng.randrange(9):
            case 0 if len(items) > 1:
                del items[at]
            case 1:
                items.insert(other, items[at])
            case 2:
                items[at], items[other] = items[other], items[at]
            case 3:
                items[at:at] = [items[at]] * rng.choice((2, 8, 30))
            case _:
                items[at] = change(items[at], rng)
    return items


_LENGTH = struct.Struct("!H")


def joined(items: list[bytes]) -> bytes:
    """Several datagrams joined to one input."""
    return b"".join(_LENGTH.pack(len(item) & 0xFFFF) + item[:0xFFFF] for item in items)


def split(data: bytes, most: int = 64) -> list[bytes]:
    """The inverse, of any bytes: a length that is too long takes the rest."""
    items, at = [], 0
    while at + _LENGTH.size <= len(data) and len(items) < most:
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        items.append(data[at : at + length])
        at += length
    return items


def of_records(change: Callable[[bytes, Random], bytes] = flipped) -> Callable[[bytes, Random], bytes]:
    """A mutator of inputs that are `joined` items, each of which `change` changes."""
    return lambda data, rng: joined(records(split(data), rng, change))


def lines(text: str, rng: Random) -> str:
    """Lines dropped, doubled, moved, multiplied, and their numbers and separators changed."""
    found = text.split("\r\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, other = rng.randrange(len(found)), rng.randrange(len(found))
        match rng.randrange(8):
            case 0 if len(found) > 1:
                del found[at]
            case 1:
                found.insert(other, found[at])
            case 2:
                found[at:at] = [found[at]] * rng.choice((3, 50, 300))
            case 3:
                found[at] += rng.choice(("\n", "\r", "\v", "\x85", "\u2028", "\0", " ")) + found[other]
            case 4:
                found[at] = found[at].replace(rng.choice("0123456789"), str(number(rng)), 1)
            case 5:
                words = found[at].split(" ")
                words[rng.randrange(len(words))] = rng.choice((*ODD_TEXTS, str(-number(rng)), words[-1]))
                found[at] = " ".join(words)
            case 6:
                found[at] = found[at][: rng.randrange(len(found[at]) + 1)]
            case _:
                where = rng.randrange(len(found[at]) + 1)
                found[at] = found[at][:where] + chr(rng.randrange(1, 0x250)) + found[at][where:]
    return "\r\n".join(found)
