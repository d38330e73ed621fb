"""Chromium and Firefox send a real gateway as many frames as it wants, and a scene's first frames at once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest

from pipeline.contract import frame_strip
from pipeline.contract.control import ClientMessage, FrameRequest, Pace, SceneCut
from pipeline.key_frames.frames import planes
from pipeline.key_frames.picker import KeyFramePicker
from pipeline.styles.catalog import shipped
from support.browsers.chromium import chromium, until, write_panned_photo
from support.browsers.firefox import Tab, firefox
from support.browsers.in_page import COVER
from support.browsers.page_server import WEB
from support.webrtc.peers import FlatEdge, Running, heard_by_gateways, paced_by_the_test
from support.webrtc.peers import until as happens

TIMEOUT_S = 60
FEW = "mvstylizer.stats.framesSeen > mvstylizer.stats.framesSent"
#: Runs before the page's scripts: keeps the connection, as `connection`.
KEEP = """const Plain = RTCPeerConnection;
window.RTCPeerConnection = class extends Plain {
  constructor(...given) { super(...given); window.connection = this; }
};"""
#: What the video's encoder says of itself.
ENCODED = "connection.getStats().then((all) => [...all.values()].find(({ type }) => type === 'outbound-rtp'))"


@asynccontextmanager
async def chromium_at(path: str, folder: Path) -> AsyncIterator:
    async with chromium(write_panned_photo(folder / "camera.y4m", frames=60)) as browser:
        page = await browser.new_page(viewport={"width": 640, "height": 480})
        await page.add_init_script(KEEP)
        await page.goto(path)
        yield page


@asynccontextmanager
async def firefox_at(path: str, folder: Path) -> AsyncIterator[Tab]:
    async with firefox(folder) as browser:
        tab = await browser.open(path)
        yield tab
        assert tab.errors == []
        await tab.close()


@pytest.fixture
def arrived(monkeypatch) -> list[int | None]:
    """The ids of the frames that a gateway has looked at."""
    ids, inspect = [], KeyFramePicker.inspect

    def noted(picker: KeyFramePicker, frame: av.VideoFrame, now_s: float, **more):
        rows = frame_strip.strip_rows(frame.height, picker.picture_height)
        ids.append(frame_strip.read(planes(frame)[0][-rows:]))
        return inspect(picker, frame, now_s, **more)

    monkeypatch.setattr(KeyFramePicker, "inspect", noted)
    return ids


@pytest.mark.parametrize("browser_at", [chromium_at, firefox_at])
async def test_few_frames_are_sent_and_those_of_a_new_scene_at_once(
    redis_url, tmp_path, edge: FlatEdge, monkeypatch, arrived, browser_at: Callable
):
    say, heard = paced_by_the_test(monkeypatch), heard_by_gateways(monkeypatch)
    profile = tmp_path / "browser"
    profile.mkdir()
    async with Running(redis_url, WEB) as running:
        async with browser_at(f"{running.url}/?source=camera&autostart=1&style={shipped()[0].id}", profile) as page:
            await until(page, "window.mvstylizer?.state === 'live' && mvstylizer.stats.framesSeen > 30", TIMEOUT_S)

            say(running, Pace(2))
            await until(page, f"{FEW} + 8", TIMEOUT_S)
            await each_sent_frame_arrives(page, arrived)
            await the_next_frame_is_sent_when_asked_for(page, lambda: say(running, FrameRequest()))
            await a_new_scene_is_named_and_arrives_within_two_frames(page, heard, arrived)
            await its_key_frame_is_at_most_two_frames_late(page, edge)

        assert running.count("mvs_frames_dropped_total", reason="strip") <= 1  # a busy machine may lose a packet


async def each_sent_frame_arrives(page, arrived: list[int | None]) -> None:
    """Encoders leave out frames when their bit rate is too low."""
    seen, sent = await page.evaluate("[mvstylizer.stats.framesSeen, mvstylizer.stats.framesSent]")
    before = len(arrived)
    await until(page, f"mvstylizer.stats.framesSent >= {sent + 6}", TIMEOUT_S)
    await happens(lambda: len(arrived) >= before + 5)  # the last one may still be on its way
    assert await page.evaluate("mvstylizer.stats.framesSeen") - seen >= 2 * 6


async def the_next_frame_is_sent_when_asked_for(page, ask: Callable[[], None]) -> None:
    sent = await page.evaluate("mvstylizer.stats.framesSent")
    ask()
    await until(page, f"mvstylizer.stats.framesSent > {sent}")


async def a_new_scene_is_named_and_arrives_within_two_frames(
    page, heard: list[ClientMessage], arrived: list[int | None]
) -> None:
    await page.evaluate(COVER)
    await until(page, "mvstylizer.stats.framesSeen > covered", TIMEOUT_S)
    first = await page.evaluate("covered")

    await happens(lambda: SceneCut(first) in heard)
    await happens(lambda: {first, first + 1, first + 2} & set(arrived))  # an encoder may leave some out after a cut


async def its_key_frame_is_at_most_two_frames_late(page, edge: FlatEdge) -> None:
    first = await page.evaluate("covered")
    await happens(lambda: any(frame.cut and frame.frame_id >= first for frame in edge.seen))
    assert next(frame.frame_id for frame in edge.seen if frame.frame_id >= first and frame.cut) <= first + 2


async def test_chromium_sends_two_layers_and_few_frames_in_few_bits_and_good_quality(
    redis_url, tmp_path, edge, monkeypatch
):
    say = paced_by_the_test(monkeypatch)
    async with Running(redis_url, WEB) as running:
        path = f"{running.url}/?source=camera&autostart=1&style={shipped()[0].id}"
        async with chromium_at(path, tmp_path) as page:
            await until(page, "window.mvstylizer?.state === 'live' && mvstylizer.stats.framesSent > 60", TIMEOUT_S)
            many = await page.evaluate(ENCODED)
            assert many["scalabilityMode"] == "L1T2"

            say(running, Pace(2.5))
            await until(page, f"{FEW} + 8", TIMEOUT_S)
            before = await page.evaluate(ENCODED)
            await until(page, f"mvstylizer.stats.framesSent > {before['framesSent'] + 12}", TIMEOUT_S)
            after = await page.evaluate(ENCODED)

    frames, seconds = after["framesEncoded"] - before["framesEncoded"], (after["timestamp"] - before["timestamp"]) / 1e3
    sent = after["bytesSent"] + after["headerBytesSent"] - before["bytesSent"] - before["headerBytesSent"]
    assert 1 < frames / seconds < 4 and 8e-6 * sent / seconds < 0.4
    assert (after["qpSum"] - before["qpSum"]) / frames < many["qpSum"] / many["framesEncoded"] + 5
