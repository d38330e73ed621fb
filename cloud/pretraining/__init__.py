"""The training of the shipped weights, `mvstylizer pretrain`. It imports `edge`."""
