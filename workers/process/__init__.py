"""Starts, supervises and ends processes. It imports the contract; every role imports it."""
