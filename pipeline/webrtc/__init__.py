"""Carries video and data channels with aiortc. Its rooms import the contract; the gateway and clients import them."""
