"""Photos and video files: `mvstylizer image` and `video`. Imports edge, clients.media and reassembly, the pipeline."""
