"""Parts of the edge's processes: RQ's worker, model updates, streams' memory, and training with torch. It imports edge
and the pipeline; the stylize and train roles import it."""
