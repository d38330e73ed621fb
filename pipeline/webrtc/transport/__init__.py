"""ICE, DTLS and SCTP: what peers and strangers may cost, and answers over bad paths. Imports the contract; the
gateway and clients import it."""
