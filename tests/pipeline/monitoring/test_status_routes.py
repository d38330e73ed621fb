"""Who may see /metrics, /status and /status.json of a real gateway."""

import pytest
from prometheus_client import parser as text
from prometheus_client.openmetrics import parser as openmetrics

from pipeline.contract.settings import Settings
from pipeline.monitoring.auth import Access
from support.webrtc.peers import Running
from workers.gateway import for_operators

TOKEN = "a-token-of-operators"
PATHS = ["/metrics", "/status", "/status.json"]


@pytest.mark.parametrize("path", PATHS)
async def test_this_machine_sees_all_where_a_setting_says_so(running, path):
    async with running.http.get(path) as response:
        assert response.status == 200
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("host", "headers"),
    [("0.0.0.0", {}), ("127.0.0.1", {"X-Forwarded-For": "203.0.113.7"}), ("127.0.0.1", {"Host": "proxy.example"})],
)
async def test_others_need_the_token(redis_url, web_root, path, host, headers):
    async with Running(redis_url, web_root, host=host, allowed_hosts=("proxy.example",)) as running:
        async with running.http.get(path, headers=headers) as response:
            assert response.status == 401
            assert (await response.json())["error"].startswith("This is for operators")
            assert response.headers["WWW-Authenticate"] == "Bearer"
        token = {**headers, "Authorization": f"Bearer {running.gateway.operators.access.token}"}
        async with running.http.get(path, headers=token) as response:
            assert response.status == 200
        async with running.http.get("/readyz", headers=headers) as response:
            assert response.status == 503  # who asks needs no token


@pytest.mark.parametrize("path", PATHS)
async def test_without_that_setting_this_machine_needs_the_token_too(redis_url, web_root, path):
    """Otherwise a proxy on this machine that does not name its clients would let them in."""
    async with Running(redis_url, web_root, operator_open=False) as running:
        async with running.http.get(path) as response:
            assert response.status == 401


async def test_a_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read(redis_url, web_root):
    async with Running(redis_url, web_root, host="0.0.0.0", operator_token=TOKEN) as running:
        async with running.http.get("/status?token=wrong") as response:
            assert response.status == 401 and "Set-Cookie" not in response.headers
        async with running.http.get(f"/status?token={TOKEN}&x=1", allow_redirects=False) as response:
            cookie = response.headers["Set-Cookie"]
            assert (response.status, response.headers["Location"]) == (303, "status?x=1")
        async with running.http.get(f"/status.json?token={TOKEN}") as response:  # where no address bar is
            assert response.status == 200
        jar = {"Cookie": cookie.split(";")[0]}
        async with running.http.get("/status.json", headers=jar) as response:
            assert response.status == 200

    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie


async def test_the_operators_page_has_no_second_door(redis_url, web_root):
    async with Running(redis_url, web_root, host="0.0.0.0") as running:
        async with running.http.get("/status.html") as response:
            assert response.status == 404


@pytest.mark.parametrize(
    ("host", "token", "is_open"), [("127.0.0.1", "", True), ("127.0.0.1", TOKEN, False), ("0.0.0.0", TOKEN, True)]
)
def test_a_gateway_started_alone_says_nothing_of_a_token_that_its_operators_chose_or_need_not(host, token, is_open):
    settings = Settings(host=host, operator_token=token, operator_open=is_open)

    assert for_operators(settings, Access.of(settings)) == ""


async def test_a_gateway_started_alone_beyond_loopback_tells_the_address_that_opens(redis_url, web_root):
    async with Running(redis_url, web_root, host="0.0.0.0") as running:
        told = for_operators(Settings(host="0.0.0.0"), running.gateway.operators.access)
        async with running.http.get(told.rpartition(" ")[2], allow_redirects=False) as response:
            assert response.status == 303  # to the page, with a cookie


@pytest.mark.parametrize(("accept", "read", "content_type"), [
    ("", text.text_string_to_metric_families, "text/plain"),
    ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", openmetrics.text_string_to_metric_families,
     "application/openmetrics-text"),
])  # fmt: skip
async def test_metrics_are_written_in_the_format_that_is_asked_for(running, accept, read, content_type):
    async with running.http.get("/metrics", headers={"Accept": accept}) as response:
        families = {family.name: family for family in read(await response.text())}

    assert response.content_type == content_type
    assert {"mvs_sessions", "mvs_event_loop_lag_seconds", "mvs_rounds"} <= families.keys()
