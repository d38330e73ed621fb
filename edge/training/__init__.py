"""Losses and steps: distillation, training, retraining while serving. Imports grid_model and vgg."""
