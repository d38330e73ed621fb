"""One gateway: its HTTP application, whom it lets in, and its sessions. Imports every other room of the pipeline; only
workers import it."""
