"""The load generator, `mvstylizer load`: many clients at once. It imports `net`, `media`, and what tells scene cuts."""
