"""The first training of the models, and federated averaging. It imports `edge`."""
