"""Starts a primary Redis, its replica, and three sentinels that let the replica take its place when it is gone."""

import subprocess
import time
from pathlib import Path

import redis

from support.services import redis_tls
from support.services.redis_process import RedisServer
from workers.process import redis_server
from workers.process.runtime import die_with_parent

PRIMARY = "mvs-primary"
#: Two of three sentinels have to agree that the primary is gone, as in a real installation.
SENTINELS, QUORUM = 3, 2
CONFIG = """bind 127.0.0.1
dir {folder}
sentinel monitor {primary} 127.0.0.1 {primary_port} {quorum}
sentinel down-after-milliseconds {primary} 300
sentinel failover-timeout {primary} 3000
"""


class RedisSentinels:
    """The primary is `first`; `url` leads to whichever of the two servers the sentinels name."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        options = {"repl-diskless-sync-delay": "0"}  # a replica gets everything at once
        self._folder = folder
        self._pem = redis_tls.make_certificate(folder) if tls else None
        self.first, self.second = (RedisServer(folder, pem=self._pem, **options) for _ in range(2))
        self._ports = [redis_server.free_port() for _ in range(SENTINELS)]
        self._processes: list[subprocess.Popen] = []
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        self.url = f"redis+sentinel://{hosts}/{PRIMARY}/0"
        if self._pem:
            self.url = f"rediss+sentinel://{hosts}/{PRIMARY}/0?ssl_ca_certs={self._pem}"

    def start(self) -> None:
        self.first.start()
        self.second.start()
        with redis.Redis.from_url(self.second.url) as replica:
            replica.replicaof("127.0.0.1", self.first.port)
            while replica.info("replication")["master_link_status"] != "up":
                time.sleep(0.01)
        for port in self._ports:
            file = self._folder / f"sentinel-{port}.conf"
            of_primary = {"primary": PRIMARY, "primary_port": self.first.port, "quorum": QUORUM}
            settings = redis_tls.options(port, self._pem) if self._pem else {"port": str(port)}
            lines = [f"{name} {value}\n" for name, value in settings.items()]
            file.write_text("".join(lines) + CONFIG.format(folder=self._folder, **of_primary))
            server = redis_tls.server() if self._pem else redis_server.find_server()
            command = [server, str(file), "--sentinel"]
            self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent))
        while not all(map(self._knows_all, self._ports)):
            time.sleep(0.05)

    def _knows_all(self, port: int) -> bool:
        """Return whether a sentinel has found the replica and the other sentinels."""
        tls = {"ssl": True, "ssl_ca_certs": str(self._pem)} if self._pem else {}
        with redis.Redis("127.0.0.1", port, **tls) as sentinel:
            try:
                state = sentinel.sentinel_master(PRIMARY)
            except redis.ConnectionError:
                return False
        return state["num-slaves"] == 1 and state["num-other-sentinels"] == SENTINELS - 1

    def kill_sentinel(self) -> None:
        """Kill the sentinel that clients ask first."""
        self._processes[0].kill()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(10)
        self.first.stop()
        self.second.stop()
