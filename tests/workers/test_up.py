"""What `mvstylizer up` tells operators, and how it keeps secrets; test_end_to_end.py has all the rest."""

import itertools
import os
import shlex
from pathlib import Path

import pytest

from pipeline.contract.errors import RedisUnavailable
from pipeline.contract.settings import Settings
from support.paths import ROOT
from support.services.redis_process import RedisServer
from workers.up import LocalStack, dashboard_command


def local_stack(host: str = "127.0.0.1", folder: Path | None = Path("/private"), **settings: object) -> LocalStack:
    return LocalStack(Settings(host=host, port=8080, **settings), folder=folder)


def welcome(capsys, host: str, **settings: object) -> str:
    local_stack(host, **settings)._welcome()
    return capsys.readouterr().out


def token_of(up: LocalStack) -> str:
    return up.environment()["MVS_OPERATOR_TOKEN"]


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7"])
def test_the_address_for_operators_has_the_token_that_the_gateway_will_ask_for(capsys, host):
    up = local_stack(host)

    up._welcome()

    told, token = capsys.readouterr().out, token_of(up)
    assert len(token) >= 32 and f"For operators: http://{host}:8080/status?token={token}\n" in told
    assert "uv run mvstylizer dashboard --redis unix:///private/redis" in told
    assert "MVS_OPERATOR_TOKEN" not in os.environ


def test_where_loopback_is_open_the_address_needs_no_token(capsys):
    assert "For operators: http://127.0.0.1:8080/status\n" in welcome(capsys, "127.0.0.1", operator_open=True)


def test_a_token_of_ones_own_is_kept(capsys):
    own = "a-token-of-my-own"

    assert f"/status?token={own}\n" in welcome(capsys, "127.0.0.1", operator_token=own)
    assert token_of(local_stack(operator_token=own)) == own


def test_the_models_of_each_run_have_a_key_of_their_own(capsys):
    keys = [local_stack().environment()["MVS_SNAPSHOT_KEY"] for _ in range(2)]

    assert len(set(keys)) == 2 and min(map(len, keys)) >= 32
    assert "MVS_SNAPSHOT_KEY" not in os.environ


@pytest.mark.parametrize("settings", [{"snapshot_key": "k" * 32}, {"cloud_redis_url": "redis://192.0.2.1:6379/0"}])
def test_a_key_of_ones_own_is_kept_and_none_is_made_up_for_a_cloud_elsewhere(settings):
    assert "MVS_SNAPSHOT_KEY" not in local_stack(**settings).environment()


def test_a_redis_that_was_chosen_is_used_and_none_is_started():
    chosen = "redis://:hunter22@127.0.0.1:1/0"

    up = LocalStack(Settings(), redis_url=chosen)

    assert up._redis_child is None
    assert up.environment()["MVS_REDIS_URL"] == chosen


@pytest.mark.parametrize("cloud", ["", "redis://192.0.2.1:6379/0"])
def test_every_part_gets_its_environment_when_it_is_made_and_ours_stays_as_it_is(cloud):
    before = dict(os.environ)
    up = LocalStack(Settings(cloud_redis_url=cloud), workers=2, folder=Path("/private"))

    parts = [*up._servers(), *up._learners()]

    names = ["worker 1", "worker 2", "gateway", "trainer", *([] if cloud else ["aggregator"])]
    assert [part.name for part in parts] == names
    assert all(part._environment == up.environment() for part in parts)
    assert os.environ == before


@pytest.mark.parametrize("folder", [Path("/private"), None])
def test_no_secret_stands_in_a_command(folder):
    up = local_stack("0.0.0.0", folder)
    parts = (up._redis_child, *up._servers(), *up._learners())
    commands = [word for part in parts for word in part._command]

    assert not any(word in commands for word in ("--redis", up._redis_url, token_of(up)))
    assert all("redis://" not in word and "unix://" not in word for word in commands)


def test_a_password_stays_out_of_the_printed_command(monkeypatch):
    command = dashboard_command("redis://:s e'cret@127.0.0.1:1/0", cwd=ROOT)

    assignment, *words = shlex.split(command)
    assert assignment == "MVS_REDIS_URL=redis://:s e'cret@127.0.0.1:1/0"
    assert words == ["uv", "run", "mvstylizer", "dashboard"]


def test_the_printed_command_runs_from_any_folder(tmp_path):
    assert f"--project {ROOT}" in dashboard_command("unix:///x/redis", cwd=tmp_path)


async def test_a_cluster_is_refused_at_the_start_with_its_reason(tmp_path):
    servers = (RedisServer(tmp_path, **{"cluster-enabled": "yes"}) for _ in itertools.count())
    server = next(
        server for server in servers if server.port < 55_000
    )  # a cluster also listens on the port 10,000 above
    server.start()
    try:
        with pytest.raises(RedisUnavailable, match="cluster, which is not supported"):
            await LocalStack(Settings(), redis_url=server.url)._start()
    finally:
        server.stop()
