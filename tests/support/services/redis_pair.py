"""Starts a primary Redis and its replica, which takes its place when a test says so."""

import time
from pathlib import Path

import redis

from support.services.redis_process import RedisServer


class RedisPair:
    """A primary and its replica, both behind one address: a link to the socket of the present primary."""

    def __init__(self, folder: Path) -> None:
        self._link = folder / "redis"
        self.url = f"unix://{self._link}"
        self._sockets = [folder / "first", folder / "second"]
        options = {"repl-diskless-sync-delay": "0"}  # a replica gets everything at once
        self.first, self.second = (RedisServer(folder, unixsocket=str(path), **options) for path in self._sockets)

    def start(self) -> None:
        self.first.start()
        self.second.start()
        self._link.symlink_to(self._sockets[0])
        self._tell(self.second, "REPLICAOF", "127.0.0.1", str(self.first.port))
        with redis.Redis.from_url(self.second.url) as replica:
            while replica.info("replication")["master_link_status"] != "up":
                time.sleep(0.01)

    def fail_over(self) -> None:
        """Open connections still lead to the first server, and new ones to the second."""
        self._tell(self.second, "REPLICAOF", "NO", "ONE")
        self._link.unlink()
        self._link.symlink_to(self._sockets[1])
        self._tell(self.first, "REPLICAOF", "127.0.0.1", str(self.second.port))

    def _tell(self, server: RedisServer, *command: str) -> None:
        with redis.Redis.from_url(server.url) as client:
            client.execute_command(*command)

    def stop(self) -> None:
        self.first.stop()
        self.second.stop()
