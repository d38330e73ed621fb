"""What edges learned becomes one model: averaging, rounds, the gate, the registry. Imports edge."""
