"""Losses and training steps: distillation, the first training, and retraining while serving.

It imports `grid_model` and `vgg`.
"""
