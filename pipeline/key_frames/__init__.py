"""Which frames become key frames. Imports the contract; the gateway, monitoring and file commands import it."""
