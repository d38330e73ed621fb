"""Sends HTTP requests that no library would send."""

import asyncio
import json

from support.webrtc.peers import Running

JSON = "Content-Type: application/json"


class Socket:
    """One TCP connection."""

    def __init__(self, running: Running) -> None:
        self._port = int(running.url.rpartition(":")[2])
        self.host = f"Host: 127.0.0.1:{self._port}"

    async def __aenter__(self) -> "Socket":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def ask(self, line: str, *headers: str, body: bytes = b"", host: str | None = None) -> None:
        """Send a request. `host` is another Host line, or "" for none."""
        lines = [f"{line} HTTP/1.1", *([self.host] if host is None else [host] if host else []), *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body of the next answer."""
        async with asyncio.timeout(10):
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            return int(status.split()[1]), headers, await self._reader.readexactly(int(headers["Content-Length"]))

    async def is_closed(self) -> bool:
        """Wait until the other side closes the connection; returns whether it does."""
        try:
            async with asyncio.timeout(10):
                while await self._reader.read(1 << 16):
                    pass
        except ConnectionError:
            pass
        return True


async def ask(running: Running, line: str, *headers: str, **options) -> tuple[int, dict[str, str], dict]:
    """The status, headers and JSON of the answer to one request."""
    async with Socket(running) as socket:
        socket.ask(line, *headers, **options)
        status, found, body = await socket.answer()
    return status, found, json.loads(body)
