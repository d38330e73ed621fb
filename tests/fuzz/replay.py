"""Replays the corpus, or parts of it: uv run python tests/fuzz/replay.py [TARGET[/ENTRY] ...]

One line for each entry that is a finding, with its trace, and JSON last; the exit status is 1 where there are any.
"""

import json
import signal
import sys
import traceback
from pathlib import Path

from harness import Finding, check
from targets import TARGETS
from targets.peer import install

CORPUS = Path(__file__).parent / "corpus"
#: No entry takes a second of processor time; this is of a clock's, on a machine that does much else.
HANG_S = 20


def main() -> None:
    chosen = [CORPUS / name for name in sys.argv[1:] or TARGETS]
    entries = [path for place in chosen for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
    install()
    signal.signal(signal.SIGALRM, _give_up)
    found = {}
    for path in entries:
        signal.alarm(HANG_S)
        try:
            check(TARGETS[path.parent.name], path.read_bytes())
        except Exception as error:
            print(f"{path.parent.name}/{path.name}")
            traceback.print_exception(error, file=sys.stdout)
            found[f"{path.parent.name}/{path.name}"] = repr(error)
    print(json.dumps({"entries": len(entries), "findings": found}))
    sys.exit(bool(found))


def _give_up(*_: object) -> None:
    raise Finding(f"takes longer than {HANG_S} s")


if __name__ == "__main__":
    main()
