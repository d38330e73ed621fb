"""The page's decisions, which need no browser: tests/browser/pure in Node.js."""

import shutil
import subprocess
from pathlib import Path

from support.missing import missing


def test_the_pages_decisions():
    node = shutil.which("node")
    if node is None:
        missing("Node.js")
    done = subprocess.run([node, "--test", str(Path(__file__).parent)], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
    assert "\n# fail 0\n" in done.stdout and "\n# pass 0\n" not in done.stdout
