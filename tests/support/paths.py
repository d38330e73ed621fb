"""Where things are."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
WEB = ROOT / "clients" / "web"
#: Real clips: tests that need them skip where they are absent.
CLIPS = ROOT.parent / "shared" / "data" / "clips"
#: SDP as real browsers send it.
OFFERS = Path(__file__).parent / "offers"
