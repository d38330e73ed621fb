"""Looks as colour tables for other programs. It imports the parts of `workers.files` that read arguments."""
