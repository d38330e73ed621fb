"""Which of the model's weights are trained on an edge?"""


def is_trained(name: str) -> bool:
    """Whether a weight is trained: all are but the encoder's, which are frozen (section 4.2 of the paper)."""
    return not name.startswith("encoder.")
