"""Video and data channels on top of aiortc. Its rooms import the contract; the gateway and clients import them."""
