"""What a serving edge remembers and learns. Imports edge and the pipeline; the stylize and train roles import it."""
