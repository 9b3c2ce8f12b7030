"""What raw peers say: ZeroMQ's greeting, READY and messages by hand (RFC 37), broken in all ways, or not at all."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from npc_bridge.conformance import sample_schema
from npc_bridge.frames import HEADER_BYTES
from npc_bridge.session import ClientSession, Greeting
from npc_sdk.experiments.fuzz.mutate import mutated

MORE, LONG, COMMAND = 1, 2, 4
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
MANY = 4_000  # parts of a message that has no end
_HTTP, _TLS = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)


@dataclass(frozen=True, slots=True)
class Script:
    """What one peer does."""

    parts: tuple[bytes, ...]  # sent one after another
    pause_s: float = 0.0  # between parts
    reset: bool = False  # ends by a reset instead of a goodbye
    wait_s: float = 0.0  # before it ends


def frame(body: bytes, flags: int = 0) -> bytes:
    """Returns a ZMTP frame."""
    if len(body) > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def ready(kind: bytes = b"DEALER", *more: tuple[bytes, bytes]) -> bytes:
    """Returns READY with the socket's type, and more properties."""
    properties = ((b"Socket-Type", kind), (b"Identity", b""), *more)
    told = b"".join(bytes([len(n)]) + n + struct.pack(">I", len(v)) + v for n, v in properties)
    return frame(b"\x05READY" + told, COMMAND)


HELLO = ClientSession(sample_schema(), Greeting("raw", "raw"), 1).connected(0)


def polite() -> Script:
    """Returns a script that does all as it should; who runs it says goodbye with the session it was given."""
    return Script((GREETING, ready(), frame(HELLO)))


def hostile(random: Random) -> Script:
    """Draws a script that does not."""
    return random.choice(BREAKS)(random)


def _greeting(random: Random) -> Script:
    """A greeting of another version or mechanism, cut, or with bytes turned over."""
    data = bytearray(GREETING)
    match random.randrange(5):
        case 0:
            data[10:12] = bytes((random.choice((0, 1, 2, 3, 4, 255)), random.randrange(256)))
        case 1:
            name = random.choice((b"CURVE", b"PLAIN", b"GSSAPI", b"", b"NULL\0X", b"x" * 20))
            data[12:32] = name.ljust(20, b"\0")
        case 2:
            del data[random.randrange(len(data)) :]
        case 3:
            data[32] = 1
        case _:
            for _ in range(random.randrange(1, 5)):
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return Script((bytes(data), ready(), frame(HELLO)))


def _ready(random: Random) -> Script:
    """READY that lies about lengths, is of another type, comes twice or never, or is full of nonsense."""
    said = bytearray(ready())
    match random.randrange(7):
        case 0:
            said = bytearray(ready(random.choice((b"PUB", b"ROUTER", b"REQ", b"", b"X" * 200))))
        case 1:
            said[random.randrange(len(said))] = random.randrange(256)
        case 2:
            said = said * 2
        case 3:
            said = bytearray()
        case 4:
            said = bytearray(ready(b"DEALER", *[(b"X-%d" % k, bytes(200)) for k in range(300)]))
        case 5:
            said = bytearray(bytes([COMMAND | LONG]) + struct.pack(">Q", random.choice((1 << 63, 1 << 31, 0))))
        case _:
            said = bytearray(ready(b"DEALER", (b"Identity", random.randbytes(random.choice((1, 255, 300))))))
    return Script((GREETING, bytes(said), frame(HELLO)))


def _frames(random: Random) -> Script:
    """Frames with unknown flags or sizes that nobody means, and commands that have no place."""
    odd = (
        bytes([random.randrange(8, 256), 1, 0]),
        bytes([LONG]) + struct.pack(">Q", random.choice((1 << 62, 1 << 63, (1 << 20) + 1, (1 << 64) - 1))),
        frame(b"", MORE) + frame(b""),
        frame(b"\x04PING\xff\xff" + random.randbytes(random.choice((0, 16, 200))), COMMAND),
        frame(b"\x04PONG", COMMAND),
        frame(b"\x09SUBSCRIBE" + bytes(8), COMMAND),
        frame(b"\x05ERROR\xff", COMMAND),
        frame(bytes(random.randrange(1, 64)), COMMAND),
        frame(random.randbytes(random.choice((1, 47, 48, 300)))),
    )
    return Script((GREETING, ready(), *random.choices(odd, k=3), frame(HELLO)))


def _endless(random: Random) -> Script:
    """A message in parts that never ends, small or empty ones."""
    part = frame(bytes(random.choice((0, 0, 1, 60))), MORE) * MANY
    return Script((GREETING, ready(), *([frame(HELLO)] if random.random() < 0.5 else []), part), wait_s=0.02)


def _messages(random: Random) -> Script:
    """Messages of ours that were broken."""
    said = [frame(mutated(random, HELLO, (HELLO,)), random.choice((0, 0, 0, MORE))) for _ in range(4)]
    return Script((GREETING, ready(), *said, frame(HELLO[:HEADER_BYTES]), frame(HELLO)))


def _fragments(random: Random) -> Script:
    """All as it should be, in crumbs."""
    whole, parts = b"".join(polite().parts)[:400], []
    while whole:
        size = random.randrange(1, 40)
        parts.append(whole[:size])
        whole = whole[size:]
    return Script(tuple(parts), pause_s=0.001)


def _cut(random: Random) -> Script:
    """All as it should be, up to some byte."""
    whole = b"".join(polite().parts)
    return Script((whole[: random.randrange(len(whole))],))


def _strange(random: Random) -> Script:
    """Another protocol, noise, or silence."""
    return Script((random.choice((_HTTP, _TLS, random.randbytes(300), b"")),), wait_s=random.choice((0.0, 0.05)))


def _rude(random: Random) -> Script:
    """All as it should be, and gone without a word."""
    return replace(polite(), reset=True)


BREAKS: tuple[Callable[[Random], Script], ...] = (
    *(_greeting, _ready, _frames, _frames, _endless, _messages, _messages),
    *(_fragments, _cut, _strange, _rude),
)
