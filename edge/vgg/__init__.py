"""VGG-19, which is the teacher of model `grid`, and its weight files. It imports nothing of ours."""
