"""Values that a stylizer must refuse, because they are not RGB uint8 H W 3."""

import numpy as np

NO_PICTURES = [
    np.zeros((8, 8, 3), np.float32),
    np.zeros((8, 8), np.uint8),
    np.zeros((8, 8, 4), np.uint8),
    np.zeros((0, 8, 3), np.uint8),
    [[1, 2, 3]],
    None,
]
