"""A real nginx of a test's own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from support.webrtc.peers import until


@contextlib.asynccontextmanager
async def nginx(folder: Path, port: int, text: str) -> AsyncIterator[str]:
    """Run an nginx with the servers of `text`, of which one listens on `port`; gives its address."""
    places = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    http = f"access_log off; {places}\n{text}"
    conf = folder / "nginx.conf"
    conf.write_text(f"daemon off; master_process off; pid {folder}/pid; events {{}} http {{ {http} }}")
    process = await asyncio.create_subprocess_exec("nginx", "-e", str(folder / "log"), "-c", str(conf))
    try:
        await until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
