"""Measures what roles do, and shows it to operators. It imports contract, queues and styles, but never the gateway."""
