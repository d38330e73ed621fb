"""Who gets how much of a busy service: admission, turns at the edge, the order of giving way; without clock and I/O.
Imports the contract and pipeline.http; only the gateway imports it."""
