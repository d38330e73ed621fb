"""Many clients at once: `mvstylizer load`. Imports net."""
