"""Converts colours from any declared colour space to sRGB. It imports nothing of ours; pictures and
clients.media import it."""
