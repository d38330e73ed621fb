"""Which of the model's weights learn on an edge."""


def is_trained(name: str) -> bool:
    """Section 4.2 of the paper: decoder, colorization and meta-smoothing learn, the encoder is frozen."""
    return not name.startswith("encoder.")
