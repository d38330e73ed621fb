"""The headless client, `mvstylizer client`. It imports the rooms `net`, `media` and `reassembly`."""
