"""Plays pages of the JavaScript client in Chromium and prints what they say.

python chromium.py yard PROFILE ENDPOINT [ORIGIN]     the yard, through a gateway that lets in this page, or another
python chromium.py judge PROFILE CASES VERDICTS       the conformance vectors
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

JS = Path(__file__).resolve().parents[2] / "bridge" / "clients" / "js"
KINDS = {".html": "text/html", ".mjs": "text/javascript"}
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")

# What a page logs, and what goes wrong in it, comes here by a WebSocket of its own.
HEARD = """<script>
const line = new WebSocket(`ws://${location.host}`), waiting = [];
const say = (text) => (line.readyState === WebSocket.OPEN ? line.send(text) : waiting.push(text));
line.onopen = () => waiting.forEach((text) => line.send(text));
console.log = console.error = say;
addEventListener("error", ({ message, target }) => say(`error: ${message ?? target.src}`), true);
addEventListener("unhandledrejection", ({ reason }) => say(`error: ${reason}`));
</script>"""

JUDGE = """<!DOCTYPE html><html><head><script type="module">
import { judge } from "/judge.mjs";
const bytes = async (name) => new Uint8Array(await (await fetch(`/cases/${name}`)).arrayBuffer());
const names = await (await fetch("/cases")).json();
const files = new Map(await Promise.all(names.map(async (name) => [name, await bytes(name)])));
say(judge((name) => files.get(name)));
</script></head></html>"""


class Pages:
    """A web server for the client's folder and what else is given; what pages say is told line by line."""

    def __init__(self, more: Mapping[str, bytes]) -> None:
        self._more = more
        self.said: asyncio.Queue[str] = asyncio.Queue()

    async def hear(self, connection: ServerConnection) -> None:
        """Takes in what a page says."""
        async for message in connection:
            self.said.put_nowait(str(message))

    async def print(self) -> None:
        """Prints what pages say, for ever."""
        while True:
            print(await self.said.get(), flush=True)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Returns a file, or None for a WebSocket."""
        if "Upgrade" in request.headers:
            return None
        path = urlsplit(request.path).path
        file = JS / path.lstrip("/")
        if path not in self._more and not file.is_file():
            return connection.respond(404, f"no {path}\n")
        body = self._more.get(path) or file.read_bytes()
        if path.endswith(".html"):
            body = body.replace(b"<head>", b"<head>" + HEARD.encode())
        kind = KINDS.get(Path(path).suffix, "application/octet-stream")
        return Response(200, "OK", Headers({"Content-Type": kind, "Content-Length": str(len(body))}), body)


def browse(profile: str, url: str) -> subprocess.Popen[bytes]:
    """Opens a page."""
    command = ["chromium", *FLAGS, f"--user-data-dir={profile}", url]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def yard(profile: str, endpoint: str, origin: str = "") -> None:
    """Plays until it is killed; a gateway that ends is started again."""
    pages = Pages({})
    async with serve(pages.hear, "127.0.0.1", 0, process_request=pages.answer) as server:
        here = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = ["--brain", endpoint, "--origin", origin or here]
        process, url = await gateway("ws://127.0.0.1:0", options)
        browse(profile, f"{here}/example/yard.html?gateway={url}")
        printing = asyncio.create_task(pages.print())
        while not printing.done():
            print(f"gateway {process.pid}", flush=True)
            await process.wait()
            process, url = await gateway(url, options)


async def gateway(listen: str, options: Sequence[str]) -> tuple[asyncio.subprocess.Process, str]:
    """Starts a gateway; returns it and where it listens."""
    command = [sys.executable, "-m", "npc_sdk", "gateway", "--listen", listen, *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(await process.stdout.readline())["url"]


async def judge(profile: str, cases: str, verdicts: str) -> None:
    """Has a page judge all cases."""
    files = {path.name: path.read_bytes() for path in Path(cases).iterdir()}
    listing = {"/judge.html": JUDGE.encode(), "/cases": json.dumps(sorted(files)).encode()}
    pages = Pages(listing | {f"/cases/{name}": content for name, content in files.items()})
    async with serve(pages.hear, "127.0.0.1", 0, process_request=pages.answer, max_size=None) as server:
        process = browse(profile, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/judge.html")
        said = await pages.said.get()
        process.kill()
    if said.startswith("error: "):
        raise SystemExit(said)
    Path(verdicts).write_text(said, "utf-8")


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    asyncio.run(yard(*words) if what == "yard" else judge(*words))
