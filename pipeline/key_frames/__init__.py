"""Chooses key frames. It imports the contract; the gateway, monitoring and the commands for files import it."""
