"""Node.js, for tests that run the page's modules without a browser."""

import shutil
from pathlib import Path

import playwright


def node() -> str:
    """The Node.js of Playwright, which is on every machine that runs the tests."""
    bundled = Path(playwright.__file__).parent / "driver" / "node"
    return str(bundled if bundled.exists() else shutil.which("node"))
