"""Offers that browsers make pass; those that would cost more than any browser's are refused before they are parsed."""

import asyncio
import json
import time

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from pipeline.contract.errors import BadOffer
from pipeline.gateway import sdp_check
from pipeline.gateway.offers import Offer, without_local_names
from support import paths

OFFERS = {path.stem: path.read_bytes().decode() for path in paths.OFFERS.glob("*.sdp")}
GOOD = OFFERS["aiortc"]
FEEDBACK = ("nack", "nack pli", "goog-remb", "ccm fir", "transport-cc")


def body(**fields: object) -> bytes:
    return json.dumps({"type": "offer", "sdp": GOOD, "style": "dusk", "width": 640, "height": 360} | fields).encode()


@pytest.mark.parametrize("browser", OFFERS)
def test_the_offers_of_browsers_pass(browser):
    assert Offer.parse(body(sdp=OFFERS[browser])) == Offer(without_local_names(OFFERS[browser]), "dusk", (640, 360))


def lines_with(sdp: str, part: str) -> list[str]:
    return [line for line in sdp.splitlines() if part in line]


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_names_that_only_a_local_network_knows_are_dropped_and_that_there_are_no_others(browser):
    """Without permission for a camera, browsers give only such names, for which aioice would wait, or give up."""
    offer, before = Offer.parse(body(sdp=OFFERS[browser])), OFFERS[browser]

    dropped = [*lines_with(before, "a=candidate"), *lines_with(before, "a=end-of-candidates")]
    assert dropped
    assert offer.sdp.splitlines() == [line for line in before.splitlines() if line not in dropped]


@pytest.mark.parametrize("browser", ["aiortc", "safari_like"])
def test_an_offer_that_names_addresses_stays_as_it_is(browser):
    assert Offer.parse(body(sdp=OFFERS[browser])).sdp == OFFERS[browser]


def test_beside_a_name_an_address_stays_and_may_not_be_the_last():
    """With a STUN server there are both. The address may lead nowhere, while the client can find us."""
    name = next(line for line in OFFERS["firefox"].splitlines() if ".local" in line)
    mixed = GOOD.replace("a=end-of-candidates", f"{name.replace('.local', '.LOCAL')}\r\na=end-of-candidates", 1)

    sdp = without_local_names(mixed)

    assert lines_with(sdp, "a=candidate") == lines_with(GOOD, "a=candidate")
    assert "a=end-of-candidates" not in sdp


def test_an_offer_without_any_candidate_does_not_say_that_these_are_all():
    """A client without candidates can still find us."""
    bare = "".join(f"{line}\r\n" for line in GOOD.splitlines() if not line.startswith("a=candidate"))

    assert without_local_names(bare) == bare.replace("a=end-of-candidates\r\n", "")


@pytest.mark.parametrize("separator", [*"\x85\u2028\u2029\v\f\x1c\x1d\x1e\0\x7fé"])
def test_what_other_readers_take_for_a_line_end_is_refused(separator):
    with pytest.raises(BadOffer, match="ASCII"):
        sdp_check.check(GOOD + separator)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_are_counted_as_the_parser_splits_them(end):
    sdp_check.check(GOOD.replace("\r\n", end))
    with pytest.raises(BadOffer, match="lines"):
        sdp_check.check(GOOD + f"a=x{end}" * sdp_check.MAX_LINES)


@pytest.mark.parametrize("line", [
    "a=rtpmap:{} H264/90000", "a=fmtp:{} apt=97", "a=rtcp-fb:{} nack", "a=extmap:{} urn:x", "a=ssrc:{} cname:x",
    "a=ssrc-group:FID {} 1", "a=candidate:1 1 udp 1 192.0.2.{} 9 typ host", "a=fingerprint:sha-256 {}", "a=rtcp:{}",
    "a=ice-ufrag:{}", "a=msid:{} x", "b=AS:{}", "a=group:LS {}", "a=unknown:{}", "a=unknown-{}:1", "c=IN IP4 {}", "{}",
])  # fmt: skip
def test_no_line_may_be_repeated_without_end(line):
    with pytest.raises(BadOffer):
        sdp_check.check(GOOD + "".join(line.format(number) + "\r\n" for number in range(sdp_check.MAX_LINES)))


@pytest.mark.parametrize("lines", [
    ["a=rtcp-fb:* nack"] * 9, ["a=rtpmap:97 VP8/90000"] * 2, ["a=fmtp:97 a=1", "a=fmtp:97 b=1"],
    [f"a=fmtp:97 {';'.join('abcdefghijklmnopqrst')}"], [f"a=x:{'y' * 600}"], ["m=audio 9 X 0", "a=mid:2"],
    [f"a=candidate:1 1 udp 1 192.0.2.1 {port} typ host" for port in range(9)], ["a=mid:0"], ["a=mid:7"], ["m="],
])  # fmt: skip
def test_what_multiplies_in_the_parser_has_a_limit_of_its_own(lines):
    with pytest.raises(BadOffer):
        sdp_check.check(GOOD + "\r\n".join([*lines, ""]))


@pytest.mark.parametrize("group", ["BUNDLE 0", "BUNDLE 0 1 2", "BUNDLE", "LS 0 1", "BUNDLE 0 0", "BUNDLE 1 7", ""])
def test_a_section_outside_the_bundle_is_refused(group):
    """aiortc raises when it closes such a connection, and the place is lost."""
    with pytest.raises(BadOffer, match="bundles"):
        sdp_check.check(GOOD.replace("a=group:BUNDLE 0 1", f"a=group:{group}"))


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"\xff", b"[" * 20_000, b'{"a":' * 5_000, body().replace(b"{", b'{"sdp": 1, ', 1), body(width=1),
    body(width=float("nan")), body(width="640"), body(width=True), body(sdp=3), body(sdp=""), body(style=None),
    body(type="answer"), body(style="x" * 1000), body().replace(b"640", b"9" * 20_000), b"\xef\xbb\xbf" + body(),
])  # fmt: skip
def test_a_body_that_is_no_offer_is_refused(text):
    with pytest.raises(BadOffer):
        Offer.parse(text)


def dearest() -> str:
    """One of the most expensive offers for aiortc that pass the check, as found by a search over kinds of lines."""
    types = [*range(35, 64), *range(96, 128)][: sdp_check.MAX_ATTRIBUTES["rtpmap"]]
    parameters = ";".join(f"key{i}=value" for i in range(14))
    lines = [f"a=rtcp-fb:* {kind}" for kind in FEEDBACK]
    for number, payload_type in enumerate(types):
        name, own = ("VP8", "") if number == 0 else ("rtx", f"apt={types[0]};")
        lines += [f"a=rtpmap:{payload_type} {name}/90000", f"a=fmtp:{payload_type} {own}{parameters}"]
        lines += [f"a=rtcp-fb:{payload_type} {kind}" for kind in FEEDBACK[:3]]
    lines += [f"a=candidate:1 1 udp 1 198.51.100.{i // 8} {2000 + i} typ host" for i in range(32)]
    session, video, application = sdp_check.sections_of(GOOD)
    kept = [line for line in video[1:] if sdp_check.name_of(line) not in ("rtpmap", "fmtp", "rtcp-fb", "candidate")]
    head = f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, types))}"
    return "\r\n".join([*session, head, *kept, *lines, *application, ""])


async def test_the_dearest_offer_that_passes_holds_the_event_loop_for_milliseconds():
    """It took 1.3 s with lines that the check did not see. The thread's own time does not depend on other load."""
    sdp, longest_s, peer = dearest(), 0.0, RTCPeerConnection()
    sdp_check.check(sdp)

    async def answer() -> None:
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())

    answering = asyncio.create_task(answer())
    while not answering.done():
        before_s = time.thread_time()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.thread_time() - before_s)
    await answering
    await peer.close()

    assert longest_s < 0.1
