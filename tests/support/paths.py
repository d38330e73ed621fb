"""The paths of files that tests use."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
WEB = ROOT / "clients" / "web"
#: Real clips. Tests that need them are skipped if they are absent.
CLIPS = ROOT.parent / "shared" / "data" / "clips"
#: Where PYTHONPATH has it, processes leave aiortc as it comes.
PLAIN_AIORTC = Path(__file__).parent / "webrtc" / "plain_aiortc"
#: Offers' SDP as real browsers send it.
OFFERS = Path(__file__).parent / "webrtc" / "offers"
