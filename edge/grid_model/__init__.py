"""The model that is shipped, one stage per file: encoder, colorization, decoder, smoothing.

It imports nothing of ours but `edge.features` and `edge.colour_maps`.
"""
