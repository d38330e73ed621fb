"""Child processes that are started, restarted when they crash, and stopped in order."""
import asyncio
import logging
import os
import signal
from collections import deque
from collections.abc import Sequence

from workers.runtime import die_with_parent

logger = logging.getLogger(__name__)

#: What a role exits with when it was started wrongly: starting it again would not help.
EXIT_MISUSE = 2
STOP_TIMEOUT_S = 5.0
MAX_CRASHES = 5
CRASH_WINDOW_S = 60.0
FIRST_DELAY_S = 0.2
#: torch with busy-waiting threads, or more of them than free cores, is 5 to 20 times slower.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


class Child:
    """One part of the system. `keep_alive` runs it until it is cancelled or the part dies for good."""

    def __init__(self, name: str, command: Sequence[str], *, quiet: bool = False) -> None:
        """`quiet`: what it prints to stdout is not shown."""
        self.name, self._command = name, command
        self._stdout = asyncio.subprocess.DEVNULL if quiet else None
        self._process: asyncio.subprocess.Process | None = None
        self._crashes: deque[float] = deque(maxlen=MAX_CRASHES)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def keep_alive(self) -> str:
        """Start the part, and again whenever it crashes; returns why it died for good."""
        while True:
            code = await self._run_once()
            if code == EXIT_MISUSE:
                return f"{self.name} could not start."
            if not self._may_restart(asyncio.get_running_loop().time()):
                return f"{self.name} crashed {MAX_CRASHES} times in {CRASH_WINDOW_S:.0f} s (last exit code {code})."
            delay_s = FIRST_DELAY_S * 2 ** (len(self._crashes) - 1)
            logger.warning("%s ended with code %s, starting it again in %.1f s", self.name, code, delay_s)
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> int:
        # A session of its own: Ctrl-C reaches only us, and we stop the parts in order.
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env={**os.environ, **ENVIRONMENT}, stdin=asyncio.subprocess.DEVNULL, stdout=self._stdout,
            start_new_session=True, preexec_fn=die_with_parent,
        )
        return await self._process.wait()

    def _may_restart(self, now_s: float) -> bool:
        self._crashes.append(now_s)
        while self._crashes[0] < now_s - CRASH_WINDOW_S:
            self._crashes.popleft()
        return len(self._crashes) < MAX_CRASHES

    async def stop(self) -> None:
        """Ask once, wait, then kill. Nothing of this part is left afterwards."""
        if self.pid is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            logger.warning("%s did not stop in %.0f s, killing it", self.name, STOP_TIMEOUT_S)
            self._process.kill()
            await self._process.wait()
