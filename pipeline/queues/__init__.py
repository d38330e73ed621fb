"""Redis and RQ: key frames, answers, shared samples, weights, counters. Imports the contract; gateway, monitoring and
workers import it."""
