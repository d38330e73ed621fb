"""Child processes that are started, restarted when they crash or hang, and stopped in order."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from workers.process.liveness import CHECK_S, OF_SYSTEMD, VARIABLE, Silence, drain, pair
from workers.process.runtime import die_with_parent

logger = logging.getLogger(__name__)

#: The exit code of a role that was started wrongly. Starting it again would not help.
EXIT_MISUSE = 2
STOP_TIMEOUT_S = 5.0
MAX_CRASHES = 5
CRASH_WINDOW_S = 60.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 10.0
#: A part's first sign of life may take this long: on a busy machine importing torch takes half a minute.
START_S = 120.0
#: No role of ours imports from the folder that it is started in, nor does what a role starts.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
#: torch with busy-waiting threads, or more of them than free cores, is 5 to 20 times slower.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


class SupervisedProcess:
    """One part of the system. `keep_alive` runs it until it is cancelled, or turns out never to start.

    A part that was ready once is started again for as long as we live, ever more slowly: the others serve on without
    it, and a service that comes back by itself is worth more than one that ends.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        quiet: bool = False,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        silence_s: float | None = None,
        on_restart: Callable[[str, str], None] = lambda name, reason: None,
    ) -> None:
        """`quiet`: what it prints to stdout is not shown. `environment` is added to ours.

        `silence_s`: it is killed after so long without a sign of life (workers.process.liveness); None where it gives
        none.
        `on_restart` hears the part's name, and "ended", "killed" or "silent".
        """
        self.name, self._command, self._stdin = name, command, stdin
        self._environment, self._silence_s, self._on_restart = environment, silence_s, on_restart
        self._stdout = asyncio.subprocess.DEVNULL if quiet else None
        self._process: asyncio.subprocess.Process | None = None
        self._crashes: deque[float] = deque(maxlen=MAX_CRASHES)
        self._hung = False
        #: Whether it was ready once. Set at its first sign of life, or by whoever knows otherwise.
        self.was_ready = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def keep_alive(self) -> str:
        """Start the part, and again whenever it crashes; returns why it cannot be started."""
        while True:
            try:
                code = await self._run_once()
            except OSError as error:  # no process, memory or descriptor to be had, which may be over in a while
                logger.error("%s could not be started: %s", self.name, error)
                code = os.EX_OSERR
            reason = "silent" if self._hung else "killed" if code < 0 else "ended"
            self._on_restart(self.name, reason)
            crashes = self._count_crash(asyncio.get_running_loop().time())
            if not self.was_ready and code == EXIT_MISUSE:
                return f"{self.name} could not start."
            if not self.was_ready and crashes >= MAX_CRASHES:
                return f"{self.name} crashed {MAX_CRASHES} times in {CRASH_WINDOW_S:.0f} s (last exit code {code})."
            delay_s = min(FIRST_DELAY_S * 2 ** (crashes - 1), LONGEST_DELAY_S)
            logger.warning("%s %s (code %s), starting it again in %.1f s", self.name, reason, code, delay_s)
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> int:
        listener, teller = pair()
        environment = {name: value for name, value in os.environ.items() if name not in OF_SYSTEMD}
        try:
            # A session of its own: Ctrl-C reaches only us, and we stop the parts in order.
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command,
                env={**environment, **ENVIRONMENT, **SAFE_PATH, **self._environment, VARIABLE: str(teller.fileno())},
                stdin=asyncio.subprocess.PIPE,
                stdout=self._stdout,
                pass_fds=[teller.fileno()],
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
            assert process.stdin is not None
            process.stdin.write(self._stdin)
            process.stdin.close()
            teller.close()
            return await self._watch(process, listener)
        finally:
            listener.close()
            teller.close()

    async def _watch(self, process: asyncio.subprocess.Process, listener: socket.socket) -> int:
        """Wait for the part's end, and bring it about when it is silent for too long."""
        clock = asyncio.get_running_loop().time
        silence = Silence(clock(), start_s=START_S, limit_s=self._silence_s or 0.0)
        self._hung = False
        while True:
            code: int | None = None
            with contextlib.suppress(TimeoutError):
                code = await asyncio.wait_for(process.wait(), CHECK_S)
            if drain(listener):  # also what it said just before its end
                silence.heard(clock())
                self.was_ready = True
            if code is not None:
                return code
            if self._silence_s and silence.too_long(clock()):
                self.end_hung()

    def end_hung(self) -> None:
        """Kill the part, which does not do its work, because it was stopped or because it hangs."""
        if self._process and self.pid:
            logger.warning("%s gives no sign of life, killing it", self.name)
            self._hung = True
            self._process.kill()

    def _count_crash(self, now_s: float) -> int:
        """How many there were lately."""
        self._crashes.append(now_s)
        while self._crashes[0] < now_s - CRASH_WINDOW_S:
            self._crashes.popleft()
        return len(self._crashes)

    async def stop(self) -> None:
        """Ask once, wait, then kill. Nothing of this part is left afterwards."""
        if self._process is None or self.pid is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            logger.warning("%s did not stop in %.0f s, killing it", self.name, STOP_TIMEOUT_S)
            self._process.kill()
            await self._process.wait()
