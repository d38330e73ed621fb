"""The only code that touches private names of aiortc and aioice: it gives them public names and checks that they exist.
It imports nothing of ours; `media`, `transport` and the clients import it."""
