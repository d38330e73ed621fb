"""The commands for photos and video files. It imports edge, clients.media, clients.reassembly and the pipeline."""
