"""Moves key frames, answers, shared samples, weights and counters through Redis and RQ. It imports the contract; the
gateway, monitoring and workers import it."""
