"""The headless client, `mvstylizer client`. It imports `net`, `media`, `reassembly`, and what tells scene cuts."""
