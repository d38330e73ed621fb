"""The operators' page in a real browser, with a gateway whose state a test sets."""

import copy
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from pipeline.monitoring.alerts import TROUBLES, troubles
from support.browsers.chromium import PHONE, until
from support.browsers.operators_state import EMPTY, STATE
from support.browsers.page_server import PageServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=30_000)


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[PageServer]:
    async with PageServer().running() as server:
        server.status_answer = copy.deepcopy(STATE)
        yield server


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


async def test_what_happened_failed_and_works_is_listed(page, server):
    await page.goto(f"{server.url}/status")

    await expect(page.locator("#events li")).to_have_text(
        [
            "The edge is busy.now",
            "Stream 7 opened.12 s ago",
            "Over: No edge worker is warm.3 min ago",
            "2 edge workers came; 2 in all.2 h 30 min ago",
        ]
    )
    await expect(page.locator("#failures tr")).to_have_text(
        ["Offers refused for lack of a place21,412", "Key frames without an answer in two seconds03"]
    )
    await expect(page.locator("#failures [data-recent]")).to_have_count(1)
    await expect(page.locator("#workers tr")).to_have_text(["Worker 12 h 30 min3f2a91c07be4612 MB", "Worker 2––588 MB"])


async def test_it_links_to_operators_other_pages_if_there_are_any(page, server):
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#pulse")).to_have_text("Live")
    await expect(page.locator("#links a")).to_have_count(0)

    server.status_answer["links"] = [{"name": "Grafana", "url": "http://127.0.0.1:3000/"}]

    await expect(page.get_by_role("link", name="Grafana")).to_have_attribute("href", "http://127.0.0.1:3000/")


async def test_a_charts_value_is_shown_under_the_pointer_and_by_arrow_keys(page, server):
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#pulse")).to_have_text("Live")
    plot, tip = page.get_by_role("slider", name="Key frames in the queue"), page.locator(".tip").first
    await expect(tip).to_be_hidden()

    box = await plot.bounding_box()
    await plot.hover(position={"x": box["width"] - 0.4, "y": 20})
    await expect(tip).to_have_text("4, now")
    await plot.hover(position={"x": 1, "y": 20})  # there is nothing so long ago, so that the oldest value is shown
    await expect(tip).to_have_text("0, 3 s ago")
    await page.mouse.move(0, 0)
    await expect(tip).to_be_hidden()

    await plot.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(tip).to_have_text("not known, 1 s ago")
    await expect(plot).to_have_attribute("aria-valuetext", "not known, 1 s ago")
    await page.keyboard.press("Home")
    await expect(plot).to_have_attribute("aria-valuenow", "0")


async def test_a_tapped_value_stays_when_the_finger_is_gone(browser, server):
    page = await browser.new_page(viewport=PHONE, has_touch=True)
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#pulse")).to_have_text("Live")

    await page.get_by_role("slider", name="Key frames in the queue").tap(position={"x": 2, "y": 20})
    await expect(page.locator(".tip").first).to_have_text("0, 3 s ago")
    async with page.expect_response("**/status.json"):
        pass
    await expect(page.locator(".tip").first).to_have_text("0, 3 s ago")

    await page.get_by_role("heading", name="All is well.").tap()
    await expect(page.locator(".tip").first).to_be_hidden()
    await page.close()


async def test_the_charts_show_the_last_hour_when_it_is_chosen(page, server):
    await page.goto(f"{server.url}/status")
    axis, line = page.locator(".axis").first, page.locator("#chart-queue .line")
    await expect(axis).to_contain_text("5 min ago")

    await page.get_by_role("radio", name="hour").check()

    await expect(axis).to_contain_text("60 min ago")
    await expect(line).to_have_attribute("d", "M298.74 40L300 100")


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
    server.status_answer = EMPTY
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


@pytest.mark.parametrize("viewport", [(320, 640), (360, 640), (390, 844), (820, 1180), (1440, 900)])
async def test_it_fits_every_screen(page, server, viewport):
    server.status_answer["links"] = [{"name": name, "url": "http://127.0.0.1/"} for name in ("Queues", "Grafana")]
    server.status_answer["streams"][0]["drops"] = dict.fromkeys(["late", "deadline", "style", "slow", "error"], 1234)
    await page.set_viewport_size({"width": viewport[0], "height": viewport[1]})
    await page.goto(f"{server.url}/status")
    await expect(page.locator("#stream-rows tr")).to_have_count(2)

    wide = await page.evaluate("""[...document.querySelectorAll('main *, nav *')].filter((element) => {
      const around = element.closest('.plate, nav, main').getBoundingClientRect();
      return element.getBoundingClientRect().right > Math.min(around.right, document.body.clientWidth);
    }).map((element) => element.outerHTML)""")

    assert wide == []
    assert await page.evaluate("document.documentElement.scrollHeight > innerHeight")  # and it scrolls


# the chart


async def chart(page: Page, values: list[float | None], **options: int) -> dict:
    return await page.evaluate(
        """async ([values, options]) => {
      const { Chart } = await import('/status/chart.js');
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      const { slots, ...others } = options;
      const top = new Chart(svg, others).show(values, slots);
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
