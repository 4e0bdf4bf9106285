"""A real browser that runs a page: Chromium without a window, by its debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PEERS = Path(".venv/peers").resolve()
PACKAGES = (
    "chromium-headless-shell chromium-common libxnvctrl0 libdouble-conversion3 libflac12 libharfbuzz-subset0 "
    "libminizip1 libopenh264-7 libopenjp2-7 libopus0 libpulse0 libsndfile1 libogg0 libvorbis0a libvorbisenc2 "
    "libmp3lame0 libmpg123-0 libasyncns0 fonts-liberation"
)
MISSING = f"Chromium is missing: sh tools/peers.sh {PACKAGES}"


def program() -> str | None:
    """The browser: unpacked by tools/peers.sh, or of the machine."""
    own = PEERS / "usr/lib/chromium/chromium-headless-shell"
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return str(own) if own.exists() else next(filter(None, map(shutil.which, names)), None)


class Page:
    """A page that is open. What its console reports is in `console`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.console: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}:
                self.console.append(str(message["params"]))
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        async with asyncio.timeout(60):
            while not await self.value(expression):  # noqa: ASYNC110 the page has no event of ours
                await asyncio.sleep(0.05)

    async def write(self, element: str, text: str) -> None:
        """Write into a field, as a user does."""
        await self.value(f"document.getElementById({element!r}).focus(), document.activeElement.select?.()")
        await self.call("Input.insertText", text=text)

    async def picture(self, file: Path) -> None:
        """Save what is seen."""
        found = await self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(found["data"]))


@contextlib.asynccontextmanager
async def opened(file: Path, profile: Path) -> AsyncIterator[Page]:
    """Open a file; the browser ends after the block."""
    command = [
        str(program()), "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={profile}",
        "--window-size=1400,1000", "about:blank",
    ]  # fmt: skip
    libraries = ":".join(str(PEERS / "usr/lib/x86_64-linux-gnu" / one) for one in ("", "pulseaudio"))
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            port = await _port(profile / "DevToolsActivePort", process)
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Runtime", "Log", "Page"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=file.as_uri())
                await page.until("document.readyState === 'complete' && location.protocol === 'file:'")
                yield page
    finally:
        process.kill()
        await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(90):
        while True:
            assert process.returncode is None, "the browser has ended"
            if file.exists() and (text := file.read_text()).count("\n"):
                return text.partition("\n")[0]
            await asyncio.sleep(0.05)
