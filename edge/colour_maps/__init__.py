"""Maps of colours for a whole picture: what they are, and two ways to find one. It imports nothing of ours."""
