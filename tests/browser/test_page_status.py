"""The operators' page in a real browser, with a gateway whose state a test sets."""

import copy
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from pipeline.monitoring.alerts import TROUBLES, troubles
from support.chromium import PHONE, phone, until
from support.page_server import PageServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)
STATE = {
    "alerts": [],
    "old_look_s": 2.5,
    "figures": {
        "streams": 2,
        "fps": 59.6,
        "key_frames_per_s": 3.9,
        "queue": 1,
        "oldest_s": 0.44,
        "round_trip_p50_ms": 67.2,
        "round_trip_p95_ms": 109.4,
        "loop_lag_p99_ms": 4.2,
    },
    "stages_ms": {"encode": 6.0, "queue": 4.0, "decode": 2.0, "stylize": 31.0, "return": 12.0},
    "history": {"step_s": 1, "queue": [0, 1, None, 4], "key_frames_per_s": [3, 4, 4, 4], "oldest_s": [0.1, 0.2, 0.3]},
    "giving_way": [{"step": "training waits", "active": True}, {"step": "nobody new is let in", "active": False}],
    "streams": [
        {
            "number": 1,
            "style": "Dusk",
            "size": [640, 360],
            "fps": 29.9,
            "age_s": 0.31,
            "key_frames": 412,
            "answers": 408,
            "in_flight": 1,
            "drops": {"late": 2, "deadline": 1},
        },
        {
            "number": 7,
            "style": "own photo",
            "size": [360, 640],
            "fps": 30,
            "age_s": 3.1,
            "key_frames": 9,
            "answers": 8,
            "in_flight": 2,
            "drops": {},
        },
    ],
    "roles": [
        {"role": "gateway", "processes": 1, "cpu": 0.31, "memory_bytes": 141e6, "details": {}},
        {
            "role": "stylize",
            "processes": 2,
            "cpu": 0.42,
            "memory_bytes": 1.2e9,
            "details": {"key_frames_per_s": 3.9, "busy": 0.21},
        },
        {
            "role": "train",
            "processes": 1,
            "cpu": 0.5,
            "memory_bytes": 612e6,
            "details": {"samples": 212, "images": 18240},
        },
        {
            "role": "aggregate",
            "processes": 0,
            "cpu": 0,
            "memory_bytes": 0,
            "details": {"round": 0, "updates": 0, "refused": 0},
        },
    ],
    "models": {"3f2a91c07be4": 2},
    "rounds": [
        {"version": 1, "images": 4000, "loss_before": 0.6, "loss_after": 0.57},
        {"version": 2, "images": 8000, "loss_before": 0.57, "loss_after": 0.56},
    ],
}


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[PageServer]:
    async with PageServer().running() as server:
        server.status_answer = copy.deepcopy(STATE)
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with phone(browser) as page:
        yield page


async def test_all_is_told_in_words_and_numbers(page, server):
    await page.goto(f"{server.url}/status")

    await expect(page.get_by_role("heading", name="All is well.")).to_be_visible()
    await expect(page.locator("#alerts")).to_have_text("The oldest look is 0.4 s old. A key frame is back in 67 ms.")
    figures = await page.locator(".figures dd").all_inner_texts()
    assert [" ".join(text.split()) for text in figures] == ["2", "60", "3.9", "1", "67 ms p95 109 ms", "4.2 ms"]
    rows = await page.locator("#stream-rows tr").all_text_contents()
    assert rows == ["Stream 1Dusk300.3 s4082 late, 1 too slow", "Stream 7own photo303.1 s8"]
    assert "× 2" in await page.locator("[data-role=stylize]").inner_text()
    assert "not running" in await page.locator("[data-role=aggregate]").inner_text()
    assert await page.locator("#models").inner_text() == "3f2a91c07be4 on 2 workers"
    assert (await page.locator("#rounds tr").first.inner_text()).split("\t") == ["Global 2", "8,000 images", "−1.8 %"]


async def test_the_gateway_says_how_old_a_look_may_be(page, server):
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#stream-rows [data-old]")).to_have_text("3.1 s")

    server.status_answer["old_look_s"] = 6  # its key frames come four seconds apart

    await expect(page.locator("#stream-rows [data-old]")).to_have_count(0)


async def test_every_alert_is_shown_the_first_one_as_the_verdict(page, server):
    server.status_answer["alerts"] = list(troubles(dict.fromkeys(TROUBLES, 3)).values())
    await page.set_viewport_size(PHONE)
    await page.goto(f"{server.url}/status")

    await expect(page.locator("#verdict")).to_have_text(server.status_answer["alerts"][0])
    await expect(page.locator("#alerts li")).to_have_text(server.status_answer["alerts"][1:])
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_order_of_giving_way_is_shown_with_what_is_given_now(page, server):
    await page.goto(f"{server.url}/status")

    await expect(page.locator("#giving-way li")).to_have_text(["training waits now", "nobody new is let in"])


async def test_it_follows_without_reload(page, server):
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#queue")).to_have_text("1")

    server.status_answer["figures"]["queue"] = 14
    server.status_answer["alerts"] = ["14 key frames wait in the queue: the workers do not keep up.", "More."]
    server.status_answer["streams"].pop()

    await expect(page.get_by_role("heading", name="14 key frames wait in the queue")).to_be_visible()
    await expect(page.locator("#queue")).to_have_text("14")
    await expect(page.locator("#alerts li")).to_have_text(["More."])
    await expect(page.locator("#stream-rows tr")).to_have_count(1)
    assert await page.evaluate("document.body.dataset.state") == "alert"


async def test_where_there_is_nothing_it_says_so(page, server):
    server.status_answer |= {
        "streams": [],
        "rounds": [],
        "stages_ms": {},
        "models": {},
        "history": {"step_s": 1, "queue": [], "key_frames_per_s": [], "oldest_s": []},
    }
    server.status_answer["figures"] |= {
        "streams": 0,
        "queue": None,
        "oldest_s": None,
        "round_trip_p50_ms": None,
        "round_trip_p95_ms": None,
        "loop_lag_p99_ms": None,
    }
    await page.goto(f"{server.url}/status")

    for sentence in ("Nobody is here.", "No round yet.", "No key frame in the last minute."):
        await expect(page.get_by_text(sentence).last).to_be_visible()
    await expect(page.locator("#queue")).to_have_text("–")


async def test_a_gateway_that_falls_silent_is_noticed_and_found_again(page, server):
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#pulse")).to_have_text("Live")

    await page.route("**/status.json", lambda route: route.abort())
    await expect(page.locator("#pulse")).to_contain_text("has not answered for")
    await page.unroute("**/status.json")

    await expect(page.locator("#pulse")).to_have_text("Live")


async def test_without_the_token_it_says_where_to_get_it(page, server):
    server.status_answer = None
    await page.goto(f"{server.url}/status")

    await expect(page.locator("#alerts")).to_contain_text("Open the address with the token")


async def test_the_token_leaves_the_address(page, server):
    await page.goto(f"{server.url}/status?token=secret&x=1")

    await until(page, "!location.href.includes('secret')")

    assert page.url.endswith("/status?x=1")


@pytest.mark.parametrize("viewport", [PHONE, {"width": 768, "height": 1000}, {"width": 1280, "height": 800}])
async def test_it_fits_every_screen(page, server, viewport):
    server.status_answer["streams"][0]["drops"] = dict.fromkeys(["late", "deadline", "style", "slow", "error"], 1234)
    await page.set_viewport_size(viewport)
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#stream-rows tr")).to_have_count(2)

    wide = await page.evaluate("""[...document.querySelectorAll('main *')]
      .filter((element) => element.getBoundingClientRect().right > innerWidth).map((element) => element.outerHTML)""")

    assert wide == []
    assert await page.evaluate("document.documentElement.scrollHeight > innerHeight")  # and it scrolls


# the chart


async def chart(page: Page, values: list[float | None], **options: int) -> dict:
    return await page.evaluate(
        """async ([values, options]) => {
      const { Chart } = await import('/status/chart.js');
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      const top = new Chart(svg, options).show(values);
      const [area, line] = ['area', 'line'].map((name) => svg.querySelector(`.${name}`).getAttribute('d'));
      return { top, line, area };
    }""",
        [values, options],
    )


async def test_a_chart_begins_at_zero_and_ends_on_the_right(page, server):
    await page.goto(f"{server.url}/config")

    drawn = await chart(page, [0, 5, 10])

    assert drawn == {"top": 10, "line": "M0 100L150 50L300 0", "area": "M0 100L0 100L150 50L300 0L300 100Z"}


async def test_a_chart_has_gaps_where_nothing_is_known(page, server):
    await page.goto(f"{server.url}/config")

    drawn = await chart(page, [1, None, None, 1, 1])

    assert drawn["line"] == "M0 0M225 0L300 0"


async def test_a_short_history_keeps_to_the_right(page, server):
    await page.goto(f"{server.url}/config")

    drawn = await chart(page, [2, 2], slots=4, least=4)

    assert drawn == {"top": 5, "line": "M200 60L300 60", "area": "M200 100L200 60L300 60L300 100Z"}


async def test_a_chart_of_nothing_is_empty(page, server):
    await page.goto(f"{server.url}/config")

    assert (await chart(page, [None, None]))["line"] == (await chart(page, []))["line"] == ""
