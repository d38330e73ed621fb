"""The model that is shipped: encoder, colorization, decoder, smoothing, one stage a file. Imports nothing of ours."""
