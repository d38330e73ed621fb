"""A user's own picture file as an array, in the user's own process."""

import numpy as np

from pipeline.pictures import decode, header_limits


def read_picture(data: bytes) -> np.ndarray:
    """RGB uint8 H W 3 of a user's own JPEG, PNG or WebP file, upright and at its full size; raises BadImage."""
    return np.array(decode.read(data, header_limits.OWN_FILE))
