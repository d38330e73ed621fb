"""The gateway, and the contract between clients, gateways and edges: messages, names and settings."""
