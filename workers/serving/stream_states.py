"""How a stream's state travels from the worker that made it to whichever takes the stream's next key frame."""

import numpy as np
import torch

from edge.grid_model.temporal_average import StreamState
from pipeline.contract.messages import KeyFrame, StreamMemory

#: Of the 4 by 7 numbers of a cell the left four columns are symmetric: these are not told by others.
ROWS, COLUMNS = np.triu_indices(4, m=7)
#: Of half precision. A model that is sound stays below 20.
LARGEST = 65504.0
#: Average and last, and the numbers of a cell that travel.
BEGINNING = (2, len(ROWS))


def packed(state: StreamState, frame: KeyFrame) -> StreamMemory:
    """With `frame` as its last. In half precision, from which no pixel differs by more than 2 levels."""
    both = np.concatenate([part.cpu().numpy() for part in state])  # 2 4 7 D R C
    numbers = both[:, ROWS, COLUMNS].clip(-LARGEST, LARGEST).astype(np.float16)
    return StreamMemory(frame.style_id, frame.scene, frame.picked_ms, numbers.shape, numbers.tobytes())


def unpacked(memory: StreamMemory, device: str) -> StreamState | None:
    """None for what `packed` did not write: whoever reaches Redis may have."""
    if len(memory.shape) != 5 or memory.shape[:2] != BEGINNING:
        return None
    try:
        numbers = np.frombuffer(memory.equations, np.float16).reshape(memory.shape)
    except ValueError:
        return None
    if not numbers.size or not np.isfinite(numbers).all():
        return None
    both = np.empty((2, 4, 7, *memory.shape[2:]), np.float32)
    both[:, COLUMNS[COLUMNS < 4], ROWS[COLUMNS < 4]] = numbers[:, COLUMNS < 4]
    both[:, ROWS, COLUMNS] = numbers
    average, last = torch.from_numpy(both).to(device).split(1)
    return StreamState(average, last)
