"""Runs all known attacks on a system, and measures what innocent clients notice of them:

    uv run python tests/security/attacks.py [--only NAME ...] [--list] [--patience 0.3]

`mvstylizer up` runs on a Redis of its own, with the shipped model. Two clients send video and ask for looks, others
come one after the other, a visitor asks for /healthz ten times a second; attackers are processes of their own, with
other addresses of loopback. *held*: the attack reached nothing, nobody waited longer than --patience beyond what is
usual, no look was lost, every newcomer got in, the gateway grew by 64 MB at most, and nothing died. Where innocents
wait as long while nobody attacks, the machine has too much else to do: then *held* says nothing of waits, and has a ?.
Nothing leaves this machine. The last line is JSON.
"""

import argparse
import asyncio
import json
import multiprocessing
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent.parent)

from security import channels, machine, media, offers, paths, queues, web
from security.fort import Cost, Fort, Target, Watched
from security.innocents import Felt, Innocents
from workers.process.runtime import die_with_parent

CALM_S, AFTER_S = 6.0, 3.0
MAX_GROWTH_MB = 64.0
#: An attack that takes longer is ended. Those that are `apart` start a system or two of their own.
LIMIT_S, LIMIT_APART_S = 120.0, 600.0

Act = Callable[[Target], Awaitable[str]]


async def calm(target: Target) -> str:
    """Nobody attacks, which shows what is usual on this machine at present."""
    await asyncio.sleep(CALM_S)
    return ""


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack; `act` returns what it achieved, "" for nothing."""

    act: Act
    looks_go_on: bool = True  # whether no look may be late; a worker that hangs, or a full Redis, costs some
    apart: bool = False  # whether it needs no system beside its own

    @property
    def name(self) -> str:
        return self.act.__name__.replace("_", "-")

    @property
    def doc(self) -> str:
        return (self.act.__doc__ or "").split("\n")[0]


STOPS = (
    offers.mid_outside_bundle,
    media.many_sources,
    media.huge_vp8,
    media.huge_h264,
    media.changing_vp8,
    web.progressive_bomb,
    web.webp_bomb,
    web.png_bomb,
    offers.line_separators,
    offers.quadratic_lines,
    offers.deep_json,
    media.sequence_jumps,
    media.small_jumps,
    media.short_send_time,
    media.empty_and_garbage,
)
WAITS = (
    offers.ten_a_second,
    offers.thousand_a_second,
    web.thumbnails,
    web.tiny_uploads,
    web.gzip_bombs,
    web.half_open_requests,
    web.unfinished_uploads,
    web.rebound_host,
    web.bare_errors,
    channels.share_flood,
    channels.one_byte_chunks,
    channels.gaps_in_chunks,
    channels.control_flood,
    channels.many_channels,
    offers.many_candidates,
    paths.late_ipv4,
)
WITH_REDIS = (queues.nan_timings, queues.unsigned_global, queues.script_in_a_job)
BREAKS_REDIS = (
    queues.malformed_jobs,
    queues.wrong_kinds,
    queues.result_of_the_future,
    queues.memory_full,
    queues.stopped_worker,
    queues.stopped_gateway,
)
APART = (
    machine.other_user_reads_redis,
    machine.passwords_shown,
    machine.credential_in_error,
    machine.hung_up,
    machine.killed,
    machine.full_temporary_folder,
    machine.withdrawal_before_a_crash,
    machine.default_proxy,
)
ATTACKS = (
    Attack(calm),
    *(Attack(act) for act in (*STOPS, *WAITS, *WITH_REDIS)),
    *(Attack(act, looks_go_on=False) for act in BREAKS_REDIS),
    *(Attack(act, apart=True) for act in APART),
)


@dataclass(frozen=True, slots=True)
class Row:
    attack: str
    reached: str
    cost: Cost | None
    felt: Felt | None
    worst_wait_s: float
    broken: str  # "" if the system held
    too_busy: bool = False  # the machine itself, by which waits are judged

    def line(self) -> str:
        verdict = "BROKEN" if self.broken else "held?" if self.too_busy else "held"
        if self.felt is None:
            return f"{self.attack:24}{verdict:8}{'':>46}  {self.broken}"
        cost, felt = self.cost, self.felt
        new = f"{felt.newcomers - felt.turned_away}/{felt.newcomers}"
        return (
            f"{self.attack:24}{verdict:8}{cost.cpu_s:>7.1f}{cost.grew_mb:>7.0f}{cost.fds:>6}{cost.log_lines:>6}"
            f"{self.worst_wait_s:>8.2f}{felt.lost:>5}{new:>7}  {self.broken}"
        )


HEAD = f"{'attack':24}{'verdict':8}{'CPU s':>7}{'+MB':>7}{'+fds':>6}{'log':>6}{'wait s':>8}{'lost':>5}{'new':>7}  why"


def main() -> None:
    args = arguments()
    chosen = [attack for attack in ATTACKS if not args.only or attack.name in args.only]
    if args.list:
        for attack in chosen:
            print(f"{attack.name:24}{attack.doc}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started ends in order
    print(HEAD, flush=True)
    rows = assault(chosen, args.patience, lambda row: print(row.line(), flush=True))
    held = sum(not row.broken for row in rows)
    print(f"\n{held} of {len(rows)} held.")
    print(json.dumps({row.attack: asdict(row) for row in rows}))


def assault(
    attacks: list[Attack],
    patience_s: float,
    on_row: Callable[[Row], None],
    *,
    calm_s: float = CALM_S,
    after_s: float = AFTER_S,
) -> list[Row]:
    """Run attacks one after another, with a fresh system after one that broke it. `on_row` is called with each result.

    The calm before is measured for `calm_s`, and each attack until `after_s` after its end.
    """
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        on_row(row)

    left = [attack for attack in attacks if not attack.apart]
    while left:
        with tempfile.TemporaryDirectory() as folder, Fort(Path(folder)) as fort:
            with Innocents(fort.up.url, fort.photo) as innocents:
                usual = settled(innocents, calm_s)
                while left:
                    row = attacked(fort, innocents, left.pop(0), usual, patience_s, after_s)
                    add(row)
                    if row.broken:
                        break
    for attack in attacks:
        if attack.apart:
            reached = run(attack.act, None, LIMIT_APART_S)
            add(Row(attack.name, reached, None, None, 0.0, "" if reached.startswith("not tried") else reached))
    return rows


def settled(innocents: Innocents, calm_s: float) -> Felt:
    """What clients notice while nobody attacks."""
    time.sleep(calm_s / 3)
    innocents.felt()
    time.sleep(calm_s)
    return innocents.felt()


def attacked(fort: Fort, innocents: Innocents, attack: Attack, usual: Felt, patience_s: float, after_s: float) -> Row:
    target = fort.target()
    innocents.felt()
    with Watched(fort) as watched:
        reached = run(attack.act, target)
        time.sleep(after_s)
        if not attack.looks_go_on and fort.alive():
            innocents.felt()  # only what comes afterwards counts
            time.sleep(after_s)
    felt, cost = innocents.felt(), watched.cost
    too_busy = bool(complaints(usual, usual, patience_s))
    broken = [reached] if reached else []
    if not fort.alive():
        broken.append("up ended")
    elif attack.looks_go_on and fort.gateway().pid != target.gateway:
        broken.append("the gateway died")
    elif not felt.looks:
        broken.append("no looks any more")
    elif not too_busy:
        broken += complaints(felt, usual, patience_s)
    broken += [f"{cost.grew_mb:.0f} MB more"] if cost.grew_mb > MAX_GROWTH_MB else []
    broken += [f"{cost.traces} traces logged"] if cost.traces else []
    wait_s = round(felt.worst_wait_s(usual.look_p50_s), 3)
    return Row(attack.name, reached, cost, felt, wait_s, "; ".join(broken), too_busy)


def complaints(felt: Felt, usual: Felt, patience_s: float) -> list[str]:
    """Sentences with all that an innocent client would complain about."""
    wait_s = felt.worst_wait_s(usual.look_p50_s)
    found = {
        f"{felt.lost} looks lost": felt.lost,
        f"waited {wait_s:.2f} s": wait_s > patience_s,
        f"{felt.turned_away} of {felt.newcomers} newcomers turned away": felt.turned_away,
        f"{felt.visits_failed} visits failed": felt.visits_failed,
    }
    return [sentence for sentence, so in found.items() if so]


def run(act: Act, target: Target | None, limit_s: float = LIMIT_S) -> str:
    """Run an attack in a process of its own."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_act, args=(act.__module__, act.__name__, target, theirs))
    process.start()
    theirs.close()
    try:
        return mine.recv() if mine.poll(limit_s) else f"had not ended after {limit_s:.0f} s"
    except EOFError:
        return "the attacker itself failed"
    finally:
        process.kill()
        process.join()


def _act(module: str, name: str, target: Target, parent: Pipe) -> None:
    die_with_parent()
    act = getattr(sys.modules.get(module) or __import__(module, fromlist=[name]), name)
    try:
        parent.send(asyncio.run(act(target)))
    except Exception as error:
        parent.send(f"the attacker failed: {type(error).__name__}: {error}"[:200])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these alone")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--patience", type=float, default=0.3, metavar="S", help="longest wait to bear (0.3)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
