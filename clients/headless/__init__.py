"""A client without a screen: `mvstylizer client`. Imports net and reassembly."""
