"""The processes of the system, one module for each, and the mvstylizer command that starts them."""
