"""Chooses key frames. It imports the contract; the gateway, monitoring, the edge worker and file commands import it."""
