"""Attacks on a running system, and their cost; see attacks.py. Everything stays on this machine's loopback."""
