"""An offer without any address that the gateway could reach."""

import re

from aioice import mdns
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from support.webrtc.good_offer import OFFER
from support.webrtc.peers import ColourCamera, until


async def never(*_: object, **__: object) -> None:
    raise AssertionError("the local network is asked")


async def test_a_client_that_names_no_address_connects_and_the_local_network_is_not_asked(running, monkeypatch):
    """Firefox without permission for a camera names only candidates that nobody can resolve, and then ends its list."""
    monkeypatch.setattr(mdns, "create_mdns_protocol", never)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(ColourCamera((90, 120, 150), (320, 240)))
    peer.createDataChannel("control")
    await peer.setLocalDescription(await peer.createOffer())
    candidate = r"a=candidate:(\S+) (\d) (\S+) (\d+) \S+ "
    named = re.sub(
        candidate, r"a=candidate:\1 \2 \3 \4 119d4705-2406-48ea-92e9-ecbb7f435a58.local ", peer.localDescription.sdp
    )
    assert ".local" in named and "a=end-of-candidates" in named

    async with running.http.post("/offer", json=OFFER | {"sdp": named, "width": 320, "height": 240}) as response:
        answer = await response.json()
    assert response.status == 200, answer
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))

    await until(lambda: peer.connectionState == "connected")
    await until(lambda: running.count("mvs_frames_received_total") > 0)
    await peer.close()
