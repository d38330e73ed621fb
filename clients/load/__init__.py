"""The load generator, `mvstylizer load`: many clients at once. It imports the rooms `net` and `media`."""
