"""Attacks on a running system, and what they cost it: see attacks.py. Everything stays on this machine's loopback."""
