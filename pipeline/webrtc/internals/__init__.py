"""The fence: only here is touched what aiortc, aioice and the libraries below keep to themselves. Imports nothing of
ours; `media`, `transport` and the clients import it."""
