"""One gateway: its HTTP application, its sessions, whom it lets in. Imports every other room of the pipeline; only
workers import it."""
