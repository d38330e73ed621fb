"""Turns received packets into decoded pictures. It imports the contract; the gateway and clients import it."""
