"""Renders the shipped styles. The JPEGs that it wrote are in the folder pictures."""
