"""One module per process, and the mvstylizer command."""
