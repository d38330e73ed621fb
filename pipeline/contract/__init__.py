"""Defines what travels between processes: messages, their codecs, names in Redis, settings and errors. It imports
nothing of ours; everybody may import it."""
