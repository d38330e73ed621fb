"""Makes aiortc's ICE, DTLS and SCTP safe against hostile peers, and fast on lossy paths. It imports the contract; the
gateway and clients import it."""
