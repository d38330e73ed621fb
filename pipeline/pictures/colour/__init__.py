"""Converts colours from any declared colour space to sRGB. It imports nothing of ours; pictures imports it."""
