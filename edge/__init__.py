"""The edge network: model, losses, training step."""
