"""Shares out a busy service: the admission of sessions, turns at the edge, and the order in which service is reduced.
It has no clock and does no I/O. It imports the contract and pipeline.http; only the gateway imports it."""
