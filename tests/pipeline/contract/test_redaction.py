"""Passwords are never shown by settings, errors, logs, or the command of any child process."""

import json
import logging
from dataclasses import fields

import pytest
import redis

from pipeline.contract.errors import BadSetting
from pipeline.contract.redaction import in_ice_servers, in_url, redact
from pipeline.contract.settings import Settings
from pipeline.queues.broker import connect
from workers.process.runtime import RedactedFormatter

SECRET = "hunter22"
ICE = json.dumps([{"urls": "turn:host", "username": "u", "credential": SECRET}])


@pytest.mark.parametrize(
    "text",
    [
        f"redis://:{SECRET}@host:6379/0",
        f"rediss://user:{SECRET}@host",
        f"Error in redis://u:p@{SECRET}@host, again",
        f"unix:///a/socket?db=0&password={SECRET}",
        f"http://host/status?token={SECRET}",
        ICE,
        f"{{'credential': '{SECRET}'}}",
        f"redis://:a#{SECRET}@host",
        f"redis://:a/{SECRET}@host",
        f"redis+sentinel://:{SECRET}@host:1,host:2/primary/0",
        f"redis+sentinel://host:1,host:2/primary/0?sentinel_password={SECRET}",
    ],
)
def test_what_looks_like_a_password_is_hidden(text):
    assert SECRET not in redact(text)


def test_a_known_secret_is_hidden_wherever_it_stands():
    assert redact(f"AUTH {SECRET} failed", [SECRET]) == "AUTH *** failed"


def test_plain_text_stays():
    text = "Error 111 connecting to 127.0.0.1:6379. See http://127.0.0.1:8080/status, or write to a@b.c."

    assert redact(text) == text


def test_where_an_address_and_ice_servers_hold_their_secrets():
    assert in_url("redis://127.0.0.1:6379/0") == []
    assert in_url("redis+sentinel://one:26379,two:26379/primary/0") == []
    assert in_url("redis+sentinel://:p@one:1,two:2/primary/0?sentinel_password=s") == ["p", "p", "s"]
    assert "p@ss" in in_url("redis://:p%40ss@host/0")
    assert in_url("redis://:pa#ss@host") == ["redis://:pa#ss@host"]
    assert in_ice_servers(ICE) == [SECRET]
    assert in_ice_servers("[" + SECRET) == ["[" + SECRET]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MVS_ICE_SERVERS", ICE[:-1]),
        ("MVS_ICE_SERVERS", json.dumps({"credential": SECRET})),
        ("MVS_ICE_SERVERS", f'[{{"credential": "{SECRET}"}}]'),
        ("MVS_OPERATOR_TOKEN", SECRET),
    ],
)
def test_a_wrong_secret_is_named_and_not_shown(name, value):
    with pytest.raises(BadSetting, match=name) as caught:
        Settings.from_environment({name: value})

    assert SECRET not in str(caught.value)


def test_settings_do_not_show_their_secrets():
    environ = {
        "MVS_REDIS_URL": f"redis://:{SECRET}@host",
        "MVS_CLOUD_REDIS_URL": f"redis://:{SECRET}@cloud",
        "MVS_OPERATOR_TOKEN": f"{SECRET}-and-eight-more",
        "MVS_ICE_SERVERS": ICE,
    }
    settings = Settings.from_environment(environ)

    assert SECRET not in repr(settings) and SECRET not in f"{settings}"
    assert {"MVS_" + f.name.upper() for f in fields(Settings) if "secrets" in f.metadata} >= set(environ)
    assert Settings.secrets(environ) >= {SECRET, f"{SECRET}-and-eight-more"}


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:a#{SECRET}@host",
        f"redis://:a/{SECRET}@host",
        f"http://{SECRET}@host",
        SECRET,
        f"redis://host/0?{SECRET}={SECRET}",
        f"redis://host:{SECRET}/0",
        f"redis://host/0?socket_timeout={SECRET}",
    ],
)
def test_a_redis_url_that_is_none_is_said_without_it(url):
    with pytest.raises(BadSetting, match="Redis URL") as caught:
        connect(url)

    assert SECRET not in str(caught.value)


def test_logs_hold_no_secret_and_neither_do_traces():
    try:
        raise redis.ConnectionError(f"redis://:{SECRET}@host and {SECRET}")
    except redis.ConnectionError as error:
        record = logging.LogRecord(
            "a",
            40,
            __file__,
            1,
            "cannot reach %s",
            (f"redis://:{SECRET}@h",),
            (type(error), error, error.__traceback__),
        )

    text = RedactedFormatter([SECRET]).format(record)

    assert "Traceback" in text and SECRET not in text
