"""What pages of other sites may do: nothing, unless the operator names their origins."""

import pytest

from pipeline.contract.errors import BadSetting
from pipeline.contract.settings import Settings
from support.webrtc.peers import Running

FRIEND, STRANGER = "https://friend.example", "https://stranger.example"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
async def embedded(redis_url, web_root):
    async with Running(redis_url, web_root, allowed_origins=(FRIEND,)) as gateway:
        yield gateway


async def ask(gateway, method: str, path: str, origin: str, **headers: str):
    headers |= {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    async with gateway.http.request(method, path, headers=headers, data=b"{}" if method == "POST" else None) as answer:
        return answer.status, answer.headers


@pytest.mark.parametrize(("method", "path"), [("GET", "/config"), ("GET", "/styles"), ("GET", "/main.js")])
async def test_a_page_of_an_allowed_site_reads_what_its_scripts_need(method, path, embedded):
    status, headers = await ask(embedded, method, path, FRIEND)

    assert (status, headers[ALLOWED], headers["Vary"]) == (200, FRIEND, "Origin")
    assert "Access-Control-Allow-Credentials" not in headers


async def test_a_page_of_an_allowed_site_makes_offers_after_a_preflight(embedded):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    status, headers = await ask(embedded, "OPTIONS", "/offer", FRIEND, **asked)
    assert (status, headers[ALLOWED]) == (204, FRIEND)
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert headers["Access-Control-Allow-Headers"] == "Content-Type"

    status, headers = await ask(embedded, "POST", "/offer", FRIEND, **{"Content-Type": "application/json"})
    assert (status, headers[ALLOWED]) == (400, FRIEND)  # it was read, and makes no sense


async def test_other_sites_get_nothing(embedded):
    assert (await ask(embedded, "OPTIONS", "/offer", STRANGER))[0] == 405
    for method, path in (("GET", "/config"), ("POST", "/offer"), ("POST", "/styles")):
        status, headers = await ask(embedded, method, path, STRANGER, **{"Content-Type": "application/json"})
        assert status == 403 and ALLOWED not in headers
    for path in ("/styles", "/main.js"):
        assert ALLOWED not in (await ask(embedded, "GET", path, STRANGER))[1]


async def test_without_the_setting_nobody_is_allowed(running):
    assert (await ask(running, "OPTIONS", "/offer", FRIEND))[0] == 405
    assert (await ask(running, "GET", "/config", FRIEND))[0] == 403
    _, headers = await ask(running, "GET", "/styles", FRIEND)
    assert ALLOWED not in headers and "Vary" not in headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/status", "/status.json", "/metrics", "/healthz", "/"])
async def test_what_is_for_operators_and_people_is_read_by_no_other_site(path, embedded):
    assert ALLOWED not in (await ask(embedded, "GET", path, FRIEND))[1]


async def test_only_the_start_page_may_be_framed_and_only_by_allowed_sites(embedded):
    policies = {
        path: (await ask(embedded, "GET", path, FRIEND))[1]["Content-Security-Policy"] for path in ("/", "/status")
    }

    assert f"frame-ancestors {FRIEND};" in policies["/"]
    assert "frame-ancestors 'none'" in policies["/status"]


@pytest.mark.parametrize("text", ["https://a.example", "http://127.0.0.1:9000, https://B.example/", ""])
def test_origins_are_read(text):
    expected = tuple(word.strip().rstrip("/").lower() for word in text.split(",") if word)

    assert Settings.from_environment({"MVS_ALLOWED_ORIGINS": text}).allowed_origins == expected


@pytest.mark.parametrize(
    "text",
    ["*", "null", "a.example", "https://", "https://a.example/page", "https://u@a.example", "ftp://a.example",
     "https://a.example;script-src *", "https://a b.example", "https://a.example:http", "https://*"],
)  # fmt: skip
def test_whatever_is_no_origin_is_refused(text):
    with pytest.raises(BadSetting, match="MVS_ALLOWED_ORIGINS"):
        Settings.from_environment({"MVS_ALLOWED_ORIGINS": text})
