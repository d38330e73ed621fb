"""A program that runs many times and may be killed each time. It imports once, and each run is a fork of it."""

import json
import subprocess
import sys

from support.paths import ROOT

LOOP = """
import json, os, sys
for line in sys.stdin:
    if not (child := os.fork()):
        print("=", json.dumps(run(*json.loads(line))), flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """To be used with `with`."""

    def __init__(self, program: str) -> None:
        """`program` defines a function `run`."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", program + LOOP],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, *arguments: object) -> tuple[int, object]:
        """Call `run` with these arguments. Returns its exit code and, unless it was killed, what it returned."""
        print(json.dumps(arguments), file=self._process.stdin, flush=True)
        line, returned = self._process.stdout.readline(), None
        if line.startswith("="):
            returned, line = json.loads(line[1:]), self._process.stdout.readline()
        return int(line), returned
