"""Files changed at random, to see what their readers do."""

from __future__ import annotations

import random

INSERTED = [
    *b"{}[]:,&*!|>%@`\"'#\t\n\r\0\x1b\x7f\x85\xff-?",
    b"*a",
    b"&a [*a]",
    b"<<: *a",
    b"!!python/object/apply:os.system [x]",
    b"!!int x",
    b"!!float .",
    b"!!binary x",
    b"? [a]\n: b\n",
    b"---\n",
    b"...\n",
    b"alpha: .inf\n",
    b"alpha: 1e999\n",
    b"alpha: " + b"9" * 5000 + b"\n",
    b"seed: -1\n",
    b"2001-01-01",
    b"0x",
    b"0o9",
    b"1_0",
    b"1:2:3",
    b"~",
    b"yes",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\xf4\x8f\xbf\xbf",
    b"[" * 300,
    b"{a: " * 300,
    b"x" * 5000,
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few bytes, lines or stretches changed, moved or taken out."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        match chance.randrange(7):
            case 0:
                new = chance.choice(INSERTED)
                data = data[:at] + (bytes([new]) if isinstance(new, int) else new) + data[at:]
            case 1:
                data = data[:at] + data[at + chance.randint(1, 20) :]
            case 2:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:at]
            case 4:
                lines = data.split(b"\n")
                chance.shuffle(lines)
                data = b"\n".join(lines)
            case 5:
                lines = data.split(b"\n")
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                data = b"\n".join(lines)
            case 6:
                end = at + chance.randint(1, 30)
                data = data[:end] + data[at:]
    return data
