"""Serves the page's own files, each under its path in the page's folder. aiohttp sends them, with their ETag."""

from pathlib import Path

from aiohttp import web


class PageFiles:
    """Serves the files that are in `root` when this is made, and nothing else."""

    def __init__(self, root: Path) -> None:
        self._files = {file.relative_to(root).as_posix(): file for file in root.rglob("*") if file.is_file()}

    def withdraw(self, name: str) -> bytes:
        """Stop serving this file and return its bytes, or b"" if there is no such file."""
        file = self._files.pop(name, None)
        return file.read_bytes() if file else b""

    def attach(self, app: web.Application) -> None:
        """Add the routes to an application. Call this last, since they match all remaining paths."""
        app.router.add_get("/", self._file)
        app.router.add_get("/{name:.+}", self._file)

    async def _file(self, request: web.Request) -> web.FileResponse:
        name = request.match_info.get("name", "index.html")
        if name not in self._files:
            raise web.HTTPNotFound(text="No such page.")
        return web.FileResponse(self._files[name])
