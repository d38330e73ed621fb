"""Photos and video files: `mvstylizer image` and `video`. Imports edge, clients' reassembly and the pipeline."""
