"""One gateway: its HTTP application, the admission of clients, and their sessions. It imports every other room of the
pipeline; only workers import it."""
