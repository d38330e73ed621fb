"""What the address in MVS_REDIS_URL says about sentinels."""

import socket
import time

import pytest
import redis
import redis.asyncio

from pipeline.contract.errors import BadSetting
from pipeline.queues.broker import connect
from pipeline.queues.redis_clients import async_client
from pipeline.queues.redis_errors import kind, place
from support.services.redis_process import RedisServer
from workers.process.redis_server import free_port

URL = "redis+sentinel://user:p%40ss@one,two:7,[::1]:8/primary/3?sentinel_password=s&socket_keepalive=1"


@pytest.mark.parametrize("make", [connect, async_client])
def test_sentinels_and_the_primary_have_users_of_their_own(make):
    client = make(URL)

    pool = client.connection_pool
    asked = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"]) for one in asked] == [("one", 26379), ("two", 7), ("::1", 8)]
    assert {(one["username"], one["password"]) for one in asked} == {(None, "s")}
    primary = pool.connection_kwargs
    assert (pool.service_name, primary["db"]) == ("primary", 3)
    assert (primary["username"], primary["password"]) == ("user", "p@ss")
    assert place(client) == "primary"


def test_with_tls_both_are_reached_by_tls():
    pool = connect("rediss+sentinel://one/primary?ssl_ca_certs=/own.pem").connection_pool

    asked = pool.sentinel_manager.sentinels[0].connection_pool
    for each in (pool, asked):
        assert issubclass(each.connection_class, redis.SSLConnection)
        assert each.connection_kwargs["ssl_ca_certs"] == "/own.pem"


@pytest.mark.parametrize("rest", ["one", "one/", "one:x/primary", "/primary", "one/primary/a", "one/p?nonsense=1"])
def test_an_address_without_sentinels_or_primary_is_refused(rest):
    with pytest.raises(BadSetting, match="sentinel://host:port,host:port/primary/0"):
        connect("redis+sentinel://" + rest)


async def test_without_any_sentinel_redis_is_away():
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/primary/0"

    with connect(url) as client, pytest.raises(redis.RedisError) as caught:
        client.ping()
    assert kind(caught.value) == "away"
    async with async_client(url) as client:
        with pytest.raises(redis.RedisError) as caught:
            await client.ping()
    assert kind(caught.value) == "away"


def test_a_machine_that_takes_no_connection_is_given_up_as_soon_as_one_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        began_s = time.monotonic()
        with connect(f"redis://127.0.0.1:{full.getsockname()[1]}", 0.2) as client, pytest.raises(redis.RedisError):
            client.ping()

    assert time.monotonic() - began_s < 2


@pytest.mark.parametrize("query", ["", "?sentinel_password=wrong"])
async def test_a_missing_or_wrong_password_of_sentinels_is_named(tmp_path, query):
    server = RedisServer(tmp_path)
    server.start()
    url = f"redis+sentinel://127.0.0.1:{server.port}/primary{query}"
    try:
        with (
            redis.Redis.from_url(server.url) as admin,
            connect(url) as client,
        ):
            admin.config_set("requirepass", "right")
            with pytest.raises(redis.RedisError) as caught:
                client.ping()
            async with async_client(url) as client:
                with pytest.raises(redis.RedisError) as caught_in_asyncio:
                    await client.ping()
    finally:
        server.stop()

    assert kind(caught.value) == kind(caught_in_asyncio.value) == "password"
