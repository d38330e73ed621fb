"""Makes one global model out of what the edges learned: rounds, averaging, the hold-out test, the registry.

It imports `edge`.
"""
