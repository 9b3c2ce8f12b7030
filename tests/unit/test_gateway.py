"""Which origins are let in, what waits for a slow page, and how much of a busy one is passed on; without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import pytest
from websockets.asyncio.server import ServerConnection

from npc_bridge.errors import EndpointError
from npc_bridge.frames import Kind
from npc_sdk.errors import InputError
from npc_sdk.gateway.link import Change, Link
from npc_sdk.gateway.origins import origin, refusal
from npc_sdk.gateway.outbox import OTHERS, Outbox
from npc_sdk.gateway.page import FLOOD, Page
from npc_sdk.gateway.start import address

LOCAL = "http://localhost:8000"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (LOCAL, LOCAL),
        ("HTTP://LocalHost:8000/", LOCAL),
        ("https://game.example:443", "https://game.example"),
        ("http://game.example:80", "http://game.example"),
        ("https://game.example:80", "https://game.example:80"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("app://game", "app://game"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(given: str, written: str) -> None:
    assert origin(given) == written


@pytest.mark.parametrize(
    "text",
    [
        *(
            "*",
            "null",
            "",
            "file://",
            "localhost:8000",
            "http://",
            "http://*",
            "http://a:b",
            "http://a:999999",
            "http://[a",
        ),
        *("http://a/page", "http://a?b", "http://a#b", "http://me@a", "http://käse.example", "//a"),
    ],
)
def test_what_is_no_origin_or_anybodys_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected SCHEME://HOST"):
        origin(text)


def test_only_one_known_origin_is_let_in_and_others_are_told_what_to_do() -> None:
    allowed = {LOCAL, "https://game.example"}
    assert refusal([LOCAL], allowed) == ""
    assert "expected one Origin, got 0" in refusal([], allowed)
    assert "expected one Origin, got 2" in refusal([LOCAL, LOCAL], allowed)
    assert "npc-sdk gateway --origin http://localhost:8001" in refusal(["http://localhost:8001"], allowed)
    for other in (
        "http://LOCALHOST:8000",
        "http://localhost",
        "http://localhost:8000.evil.example",
        "https://game.example/",
    ):
        assert refusal([other], allowed)
    assert "serve them" in refusal(["null"], allowed)
    told = refusal(["http://a\n\x1b[31m" + 10_000 * "b"], allowed)
    assert "\n" not in told
    assert "\x1b" not in told
    assert len(told) < 1000


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("ws://127.0.0.1:5760", ("127.0.0.1", 5760)),
        ("ws://localhost:0/", ("localhost", 0)),
        ("ws://[::1]:5760", ("::1", 5760)),
    ],
)
def test_an_address_to_listen_at_is_read(url: str, read: tuple[str, int]) -> None:
    assert address(url) == read


@pytest.mark.parametrize("url", ["ws://0.0.0.0:5760", "ws://192.168.1.2:1", "ws://game.example:1", "ws://[::]:1"])
def test_nobody_else_can_reach_a_gateway(url: str) -> None:
    with pytest.raises(EndpointError, match="a proxy that asks who comes"):
        address(url)


@pytest.mark.parametrize(
    "url", ["wss://127.0.0.1:1", "127.0.0.1:1", "ws://127.0.0.1", "ws://127.0.0.1:x", "ws://:1", "ws://[::1:1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(EndpointError, match=r"expected ws://127.0.0.1:PORT"):
        address(url)


def frame(kind: Kind, number: int = 0) -> bytes:
    """Returns as much of a frame as the gateway looks at."""
    return b"NPCW\x01" + bytes([kind, number])


def taken(*frames: bytes | str) -> tuple[list[bytes | str], int]:
    """Returns what waits when all of these have come, in order, and how much was overtaken."""

    async def take_all() -> tuple[list[bytes | str], int]:
        outbox, out = Outbox(), []
        for one in frames:
            outbox.put(one)
        with suppress(TimeoutError):
            while True:
                out.append(await asyncio.wait_for(outbox.take(), 0.01))
        outbox.put(frames[-1])
        assert await outbox.take() == frames[-1], "it can be filled again"
        return out, outbox.overtaken

    return asyncio.run(take_all())


def test_of_actions_only_the_newest_waits_and_it_waits_behind_all_else() -> None:
    welcome, up = frame(Kind.WELCOME), "up tcp://127.0.0.1:1"
    first, newest = frame(Kind.ACTION, 1), frame(Kind.ACTION, 2)
    assert taken(first, welcome, newest, up, b"") == ([welcome, up, b"", newest], 1)
    assert taken(first) == ([first], 0)


def test_of_all_else_the_newest_few_wait() -> None:
    errors = [frame(Kind.ERROR, number) for number in range(OTHERS + 3)]
    assert taken(*errors) == (errors[3:], 3)


class Busy:
    """A page that says much at once, and its link."""

    def __init__(self, messages: int, lasts_s: float = 0.9) -> None:
        self.messages = messages
        self.lasts_s = lasts_s
        self.seconds = 7.0
        self.closed: list[tuple[int, str]] = []
        self.passed: list[bytes] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(self.messages):
            self.seconds += self.lasts_s / self.messages
            yield str(number).encode()

    async def send(self, message: bytes) -> None:
        raise AssertionError("the brain says nothing")

    async def close(self, code: int = 0, reason: str = "") -> None:
        self.closed.append((code, reason))

    def play(self) -> Page:
        page = Page(cast(ServerConnection, self), cast(Link, Linked(self.passed)), "tcp://b", lambda: self.seconds)
        asyncio.run(page.run())
        return page


class Linked:
    """A link that takes everything."""

    def __init__(self, passed: list[bytes]) -> None:
        self.passed = passed
        self.open = True

    async def send(self, message: bytes) -> bool:
        self.passed.append(message)
        return True

    async def receive(self) -> bytes:
        await asyncio.sleep(3600)
        return b""

    async def changes(self) -> AsyncIterator[Change]:
        await asyncio.sleep(3600)
        yield Change.UP

    def close(self) -> None:
        self.open = False


def test_what_comes_too_often_is_dropped_and_a_flood_ends_the_page() -> None:
    honest, fast, flood = Busy(240), Busy(300), Busy(FLOOD + 1000)
    assert honest.play().dropped == 0
    assert Busy(10 * 200, lasts_s=10.0).play().dropped == 0
    assert fast.play().dropped == 60
    flood.play()
    assert [len(one.passed) for one in (honest, fast, flood)] == [240, 240, 240]
    assert fast.passed == [str(number).encode() for number in range(240)]
    assert [len(one.closed) for one in (honest, fast, flood)] == [0, 0, 1]
    assert flood.closed[0][0] == 1008
    assert "at most 240 messages in a second" in flood.closed[0][1]
