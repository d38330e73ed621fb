"""The contract between clients, gateway and edges, and the gateway itself."""
