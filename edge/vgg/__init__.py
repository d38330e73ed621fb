"""VGG-19, the teacher, and its weight files. Imports nothing of ours."""
