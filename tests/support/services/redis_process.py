"""Starts a redis-server for one test."""

import subprocess
import time
from pathlib import Path

import redis

from support.services import redis_tls
from workers.process import redis_server
from workers.process.runtime import die_with_parent


class RedisServer:
    """A redis-server that a test may stop and start again."""

    def __init__(self, folder: Path, *, pem: Path | None = None, **options: str) -> None:
        """`options` are redis-server's own, such as appendonly="yes". With `pem` (see `redis_tls`) it speaks TLS."""
        self.port = redis_server.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        server = redis_server.find_server()
        if pem:
            self.url = f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={pem}"
            server, options = redis_tls.server(), redis_tls.options(self.port, pem) | options
        self._command = redis_server.command(server, port=self.port, folder=folder)
        self._command += [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        with redis.Redis.from_url(self.url) as client:
            for _ in range(200):
                try:
                    if client.info("server")["process_id"] == self._process.pid:
                        return
                except redis.ConnectionError:
                    time.sleep(0.02)
        raise RuntimeError("the tests' Redis did not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
