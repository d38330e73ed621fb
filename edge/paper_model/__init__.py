"""The paper's model, to the letter. It imports `grid_model`, `vgg` and `training.losses`."""
