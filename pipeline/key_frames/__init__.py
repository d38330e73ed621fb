"""Which frame becomes a key frame. Imports the contract; the gateway and the workers' file commands import it."""
