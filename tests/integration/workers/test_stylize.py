"""A stylize worker in a process of its own."""

import subprocess
import sys

import redis

from support.services.redis_process import RedisServer
from support.system.crew import STUB
from support.webrtc.peers import until


async def test_a_worker_whose_redis_is_away_stops_when_it_is_asked_once(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    stub = str(STUB)
    worker = subprocess.Popen([sys.executable, stub, "--redis", server.url])
    try:
        with redis.Redis.from_url(server.url) as connection:
            await until(lambda: connection.scard("rq:workers"), timeout_s=60)
        server.kill()
        worker.terminate()

        worker.wait(20)
    finally:
        worker.kill()
        worker.wait()
