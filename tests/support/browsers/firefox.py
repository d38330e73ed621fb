"""Headless Firefox for tests of the page, over WebDriver BiDi. Skipped where there is none, failed under CI.

Playwright drives only patched Firefoxes of its own; this is the one that users have.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from support.missing import missing
from workers.process.runtime import die_with_parent

#: Preferences: a camera without permission or device, video that plays by itself, no connections to the outside.
PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.gmp-manager.url": "",
    "media.gmp-provider.enabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
START_S, COMMAND_S = 60, 120


class ScriptError(Exception):
    """An error that a script in the page threw, or a command that the browser refused."""


def find_firefox() -> str:
    """The browser's path. Without one the test is skipped on a laptop, and fails under CI."""
    for name in ("firefox-esr", "firefox"):
        if path := shutil.which(name):
            return path
    missing("Firefox")


@asynccontextmanager
async def firefox(profile: Path) -> AsyncIterator["Firefox"]:
    """A browser with a fake camera; its profile is made in the empty folder `profile`."""
    lines = (f'user_pref("{name}", {_js(value)});' for name, value in PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines))
    command = [find_firefox(), "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        async with asyncio.timeout(START_S):
            address = await _address(process.stderr)
        drain = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{address}/session", max_msg_size=0) as socket:
            browser = Firefox(socket)
            reader = asyncio.create_task(browser.read())
            await browser.command("session.new", capabilities={})
            await browser.command("session.subscribe", events=["log.entryAdded"])
            yield browser
            reader.cancel()
        drain.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _address(stderr: asyncio.StreamReader) -> str:
    """The address at which the browser listens, which it prints when it is ready."""
    while line := await stderr.readline():
        if found := re.search(rb"WebDriver BiDi listening on (ws://\S+)", line):
            return found[1].decode()
    raise AssertionError("Firefox ended before it listened")


def _js(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


class Firefox:
    """A session with the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._ids = socket, itertools.count(1)
        self._answers: dict[int, asyncio.Future] = {}
        self._tabs: dict[str, Tab] = {}

    async def read(self) -> None:
        """Hand out the browser's answers and keep its errors, until this is cancelled."""
        async for message in self._socket:
            heard = message.json()
            if heard["type"] == "event":
                self._on_log(heard["params"])
            elif answer := self._answers.pop(heard.get("id"), None):
                answer.set_result(heard)

    def _on_log(self, entry: dict) -> None:
        tab = self._tabs.get(entry["source"].get("context"))
        if tab and entry["level"] == "error":
            tab.errors.append(entry["text"])

    async def command(self, method: str, **params: object) -> dict:
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(COMMAND_S):
            heard = await self._answers[number]
        if heard["type"] == "error":
            raise ScriptError(heard["message"])
        return heard["result"]

    async def open(self, url: str, width: int = 360, height: int = 740) -> "Tab":
        """Open a page in a tab of this size, and wait until it is loaded."""
        context = (await self.command("browsingContext.create", type="tab"))["context"]
        tab = self._tabs[context] = Tab(self, context)
        await self.command("browsingContext.setViewport", context=context, viewport={"width": width, "height": height})
        await self.command("browsingContext.navigate", context=context, url=url, wait="complete")
        return tab


class Tab:
    """A tab, with those methods of Playwright's Page that the tests' helpers use.

    `errors` are those in the console: exceptions of scripts, failed loads, and violations of a policy.
    """

    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser, self._context = browser, context
        self.errors: list[str] = []

    async def evaluate(self, script: str) -> object:
        """The awaited value of an expression, or of a function without arguments; it has to be JSON."""
        code = f"(async (it) => JSON.stringify(typeof it === 'function' ? await it() : await it))({script})"
        answer = await self._script(code)
        if answer["type"] == "exception":
            raise ScriptError(answer["exceptionDetails"]["text"])
        return _json(answer["result"])

    async def _script(self, expression: str) -> dict:
        target = {"context": self._context}
        return await self._browser.command(
            "script.evaluate", expression=expression, target=target, awaitPromise=True, userActivation=True
        )

    async def click(self, selector: str) -> None:
        await self.evaluate(f"void document.querySelector({_js(selector)}).click()")

    async def choose(self, selector: str, file: Path) -> None:
        """Choose a file in an <input>."""
        found = await self._script(f"document.querySelector({_js(selector)})")
        element = {"sharedId": found["result"]["sharedId"]}
        await self._browser.command("input.setFiles", context=self._context, element=element, files=[str(file)])

    async def screenshot(self) -> bytes:
        """A screenshot of the tab, as a PNG."""
        shot = await self._browser.command("browsingContext.captureScreenshot", context=self._context)
        return base64.b64decode(shot["data"])

    async def close(self) -> None:
        await self._browser.command("browsingContext.close", context=self._context)


def _json(result: dict) -> object:
    return json.loads(result["value"]) if result["type"] == "string" else None
