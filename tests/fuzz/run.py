"""Fuzzes every parser of what others send, guided by coverage and by each input's grammar.

    uv run python tests/fuzz/run.py [--seconds 3600 | --runs N] [--seed N] [TARGET ...]

Targets take turns of a minute at most, each from the corpus and from what earlier runs found worth keeping (--evolved).
Each finding is written to the corpus under a name that says what it was, and is replayed by pytest from then on.
Progress comes as one line a turn, and JSON last; the exit status is 1 where there are findings.
"""

import argparse
import json
import os
import re
import resource
import secrets
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random

import atheris

from harness import Finding, Target, check

with atheris.instrument_imports(include=["pipeline", "clients.net.connection", "aiortc", "aioice"]):
    from targets import TARGETS
    from targets.peer import install

CORPUS = Path(__file__).parent / "corpus"
EVOLVED = Path(__file__).parent.parent.parent / ".fuzz"
TURN_S, LEAST_TURN_S = 60, 2
#: No input takes a second; one that takes ten hangs.
HANG_S = 10
#: The most memory that a child may allocate, so that no input takes all of the machine's.
ADDRESS_SPACE_BYTES = 8 << 30
#: Of all changes to inputs that know the grammar; the others are libFuzzer's own.
GRAMMATICAL = 0.6


@dataclass(slots=True)
class Score:
    """The counts of what was done so far."""

    inputs: Counter[str] = field(default_factory=Counter)
    coverage: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together (default 60)")
    parser.add_argument("--runs", type=int, metavar="N", help="N inputs a target, in the place of a time")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="the same makes the same inputs")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where findings go, beside the seeds")
    parser.add_argument("--evolved", type=Path, default=EVOLVED, help="inputs that reached something new")
    args = parser.parse_args()
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")

    print(f"seed {args.seed}", flush=True)
    install()
    score = fuzz([TARGETS[name] for name in args.targets or TARGETS], args)
    report = {"seconds": args.seconds, "seed": args.seed, "inputs": score.inputs, "coverage": score.coverage}
    print(json.dumps(report | {"findings": score.findings}))
    sys.exit(bool(score.findings))


def fuzz(targets: list[Target], args: argparse.Namespace) -> Score:
    """Little time is some targets' alone, by the seed."""
    score, began_s, turn = Score(), time.monotonic(), 0
    turn_s = max(LEAST_TURN_S, min(TURN_S, round(args.seconds / len(targets))))
    order = targets if args.runs else Random(args.seed).sample(targets, len(targets))
    while turn < len(targets) if args.runs else time.monotonic() - began_s + turn_s <= args.seconds:
        take_turn(order[turn % len(order)], turn_s, args, args.seed + turn, score)
        turn += 1
    return score


def take_turn(target: Target, turn_s: int, args: argparse.Namespace, seed: int, score: Score) -> None:
    """Fuzz one target in a child process, which may crash or hang."""
    corpus, evolved = args.corpus / target.name, args.evolved / target.name
    for folder in (corpus, evolved):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(corpus.iterdir())
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        limit = {"runs": args.runs} if args.runs else {"max_total_time": turn_s - 1}  # and it ends in the next second
        status = in_child(lambda: _fuzz_here(target, limit, seed, corpus, evolved, Path(folder)), log)
        said = log.read_text(errors="replace")
        for left in Path(folder).glob("*-*"):  # libFuzzer's: crash-, timeout- or oom- and a hash
            left.rename(corpus / f"finding-{left.name[:16]}")
    found = sorted(path.name for path in set(corpus.iterdir()) - before)
    if status and not found:
        raise SystemExit(f"{target.name} could not be fuzzed:\n{said}")
    score.findings += [f"{target.name}/{name}" for name in found]
    score.inputs[target.name] += max(map(int, re.findall(r"^#(\d+)", said, re.M)), default=0)
    score.coverage[target.name] = max(map(int, re.findall(r"cov: (\d+)", said)), default=0)
    took = f"{turn_s:3} s " if not args.runs else ""
    print(
        f"{target.name:12} {took}{score.inputs[target.name]:9} inputs, {score.coverage[target.name]:5} edges, "
        f"{len(found)} findings",
        flush=True,
    )
    for line in {name: line for line in re.findall("^found .*", said, re.M) if (name := line.split(":")[0])}.values():
        print(line, flush=True)


def in_child(work: Callable[[], None], log: Path) -> int:
    """The exit status of a fork that runs this with all its output in a file."""
    child = os.fork()
    if not child:
        out = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _fuzz_here(target: Target, limit: dict[str, int], seed: int, corpus: Path, evolved: Path, folder: Path) -> None:
    """Fuzz in this process. This does not return, since libFuzzer ends the process."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    options = {
        "seed": seed % 2**31 + 1,
        "max_len": target.max_bytes,
        "timeout": HANG_S,
        "rss_limit_mb": 4096,
        "artifact_prefix": f"{folder}/",
        "print_final_stats": 1,
        **limit,
    }
    words = [f"-{name}={value}" for name, value in options.items()]
    seen: dict[str, int] = {}

    def one(data: bytes) -> None:
        try:
            check(target, data)
        except Exception as error:
            _keep(corpus, data, error, seen)

    atheris.Setup(["fuzz", *words, str(evolved), str(corpus)], one, custom_mutator=_mutator(target))
    atheris.Fuzz()


def _mutator(target: Target) -> Callable[[bytes, int, int], bytes]:
    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if target.mutate and rng.random() < GRAMMATICAL:
            try:
                return target.mutate(data, rng)[:most]
            except Exception:  # what has no grammar
                pass
        return atheris.Mutate(data, most)

    return mutate


def _keep(corpus: Path, data: bytes, error: Exception, seen: dict[str, int]) -> None:
    """Keep the shortest input of each kind of finding."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    kind = f"{type(error).__name__}:{Path(where.filename).stem}:{where.lineno}"
    if isinstance(error, Finding):
        kind += re.sub("[0-9.]+", "", str(error))
    if len(data) >= seen.get(kind, sys.maxsize):
        return
    name = f"finding-{type(error).__name__}-{Path(where.filename).stem}-{sha256(kind.encode()).hexdigest()[:6]}"
    print(f"found {name}: {error!r}"[:300], flush=True)
    seen[kind] = len(data)
    (corpus / name).write_bytes(data)


if __name__ == "__main__":
    main()
