"""Reads and writes picture files: size limits, decoding to upright sRGB, metadata, and a sandbox for strangers' files.
It imports the contract; styles, the gateway, the commands for files and the first training import it."""
