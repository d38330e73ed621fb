"""The edge's neural networks: the models, their losses, and the training step. It imports nothing of ours."""
