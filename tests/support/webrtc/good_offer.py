"""An offer that a gateway takes: aiortc's own, of a client that nobody runs."""

from pipeline.styles.catalog import shipped
from support.paths import OFFERS

SDP = (OFFERS / "aiortc.sdp").read_bytes().decode()
OFFER = {"type": "offer", "sdp": SDP, "style": shipped()[0].id, "width": 640, "height": 360}
