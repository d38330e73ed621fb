import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from pipeline.contract.settings import Settings
from pipeline.monitoring.auth import FORWARDED, Access, is_loopback

TOKEN = "a-token-of-operators"
LOCAL = CIMultiDict({"Host": "127.0.0.1:8080"})


def access(host: str = "127.0.0.1", token: str = "", is_open: bool = True) -> Access:
    return Access.of(Settings(host=host, operator_token=token, operator_open=is_open))


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"])
def test_this_machine_needs_no_token_where_a_setting_says_so(host):
    headers = CIMultiDict({"host": host})

    assert access().granted(headers)
    assert not access(is_open=False).granted(headers)  # a visitor through a proxy that names no client looks the same


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])
def test_beyond_loopback_everybody_needs_the_token(host):
    ours = access(host, TOKEN)

    assert not access(host).granted(LOCAL)
    assert not ours.granted(LOCAL)
    assert ours.granted(LOCAL, query=TOKEN) and ours.granted(LOCAL, cookie=TOKEN)
    assert ours.granted(CIMultiDict({"authorization": f"Bearer {TOKEN}"}))


@pytest.mark.parametrize("name", FORWARDED)
def test_behind_a_proxy_on_the_same_machine_the_token_is_needed(name):
    assert not access().granted(CIMultiDict({**LOCAL, name.lower(): "203.0.113.7"}))


@pytest.mark.parametrize("host", ["evil.example:8080", "tunnel.example", "", "[", "127.0.0.1.evil.example"])
def test_another_name_for_this_machine_is_no_loopback(host):
    assert not access().granted(CIMultiDict({"Host": host}))


def test_a_token_opens_on_loopback_too():
    assert not access(token=TOKEN, is_open=False).granted(LOCAL)
    assert access(token=TOKEN, is_open=False).granted(LOCAL, cookie=TOKEN)


def test_a_token_that_is_made_up_is_long_and_new_each_time():
    tokens = {access("0.0.0.0").token for _ in range(9)}

    assert len(tokens) == 9 and min(map(len, tokens)) >= 32


@given(st.text(max_size=40) | st.just("\udc80"))  # as headers that are no UTF-8 come
def test_nothing_but_the_token_opens(text):
    ours = access("0.0.0.0", TOKEN)
    headers = CIMultiDict({"Authorization": text, "Host": text})

    assert ours.granted(headers, cookie=text, query=text) == (text == TOKEN)


def test_what_is_loopback():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "host", ""))
