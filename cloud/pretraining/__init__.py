"""The first training of the shipped weights: `mvstylizer pretrain`. Imports edge."""
