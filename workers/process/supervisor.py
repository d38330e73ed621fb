"""Starts a child process, restarts it when it crashes or hangs, and stops it."""

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

#: The exit code of a role that was started with wrong arguments. Starting it again would not help.
EXIT_MISUSE = 2
STOP_TIMEOUT_S = 5.0
MAX_CRASHES = 5
CRASH_WINDOW_S = 60.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 10.0
#: A process's first sign of life may take this long: on a busy machine, importing torch takes half a minute.
START_S = 120.0
#: Keeps roles, and the processes that they start, from importing modules from the current folder.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
#: torch is 5 to 20 times slower if its threads wait busily, or if it has more threads than there are free cores.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


class SupervisedProcess:
    """One process of the system. `keep_alive` runs it until it is cancelled, or until it is clear that it cannot start.

    A process that was ready once is restarted without end, after ever longer pauses: the others go on without it
    meanwhile, and a service that recovers by itself is better than one that ends.
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
        """Describe a process without starting it.

        With `quiet` its stdout is not shown. `stdin` is what it reads there, and `environment` is added to ours.
        After `silence_s` without a sign of life (see workers.process.liveness) it is killed; None is for a process that
        gives no signs of life. `on_restart` is called with its name and the reason: "ended", "killed" or "silent".
        """
        self.name, self._command, self._stdin = name, command, stdin
        self._environment, self._silence_s, self._on_restart = environment, silence_s, on_restart
        self._stdout = asyncio.subprocess.DEVNULL if quiet else None
        self._process: asyncio.subprocess.Process | None = None
        self._crashes: deque[float] = deque(maxlen=MAX_CRASHES)
        self._hung = False
        #: Whether it was ready once. Its first sign of life sets this; for a process without signs, the owner does.
        self.was_ready = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def keep_alive(self) -> str:
        """Start the process, and again whenever it ends; return a sentence that says why it cannot be started."""
        while True:
            try:
                code = await self._run_once()
            except OSError as error:  # processes, memory or descriptors are exhausted, maybe only for a while
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
            # The process gets its own session, so that Ctrl-C reaches only us, and we can stop the processes in order.
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
        """Wait for the process to end, and kill it if it is silent for too long; return its exit code."""
        clock = asyncio.get_running_loop().time
        silence = Silence(clock(), start_s=START_S, limit_s=self._silence_s or 0.0)
        self._hung = False
        while True:
            code: int | None = None
            with contextlib.suppress(TimeoutError):
                code = await asyncio.wait_for(process.wait(), CHECK_S)
            if drain(listener):  # this comes before the return, so that a sign just before the end counts
                silence.heard(clock())
                self.was_ready = True
            if code is not None:
                return code
            if self._silence_s and silence.too_long(clock()):
                self.end_hung()

    def end_hung(self) -> None:
        """Kill the process because it hangs or was stopped."""
        if self._process and self.pid:
            logger.warning("%s gives no sign of life, killing it", self.name)
            self._hung = True
            self._process.kill()

    def _count_crash(self, now_s: float) -> int:
        """Note a crash; return how many there were in the last CRASH_WINDOW_S, up to MAX_CRASHES."""
        self._crashes.append(now_s)
        while self._crashes[0] < now_s - CRASH_WINDOW_S:
            self._crashes.popleft()
        return len(self._crashes)

    async def stop(self) -> None:
        """Ask the process to stop, and kill it if it does not within STOP_TIMEOUT_S. It has ended when this returns."""
        if self._process is None or self.pid is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            logger.warning("%s did not stop in %.0f s, killing it", self.name, STOP_TIMEOUT_S)
            self._process.kill()
            await self._process.wait()
