"""The bad network that tests put between peers."""

from support.webrtc.impairment import Impaired, first_candidate, redirected
from support.webrtc.peers import until

SDP = (
    "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "a=candidate:1 1 udp 2130706431 10.0.0.1 1111 typ host\r\na=candidate:2 1 udp 2130706431 10.0.0.2 2222 typ host\r\n"
    "a=mid:0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n"
)


def test_only_the_paths_own_address_is_left_in_an_sdp():
    changed = redirected(SDP, ("127.0.0.1", 5))

    assert first_candidate(SDP) == ("10.0.0.1", 1111)
    assert first_candidate(changed) == ("127.0.0.1", 5)
    assert changed.count("a=candidate") == 1
    assert changed.index("a=candidate") < changed.index("m=application")


async def test_the_same_seed_loses_the_same_datagrams():
    async def lost(seed: int) -> list[int]:
        path, arrived = Impaired("http://127.0.0.1:1", loss=0.5, seed=seed), []
        for number in range(50):
            path.carry(lambda number=number: arrived.append(number))
        await until(lambda: len(arrived) == path.passed)
        return arrived

    assert await lost(1) == await lost(1) != await lost(2)
