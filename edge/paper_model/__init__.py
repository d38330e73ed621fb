"""The paper's model to the letter. Imports grid_model, vgg and training's losses."""
