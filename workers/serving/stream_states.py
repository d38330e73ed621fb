"""Packs a stream's state for its travel from one worker to the worker that takes the stream's next key frame."""

import numpy as np
import torch

from edge.grid_model.temporal_average import StreamState
from pipeline.contract.messages import KeyFrame, StreamMemory

#: A cell has 4 by 7 numbers, of which the left 4 by 4 are symmetric. Only these, its upper triangle and the rest,
#: travel.
ROWS, COLUMNS = np.triu_indices(4, m=7)
#: The largest number of half precision. The numbers of a sound model stay below 20.
LARGEST = 65504.0
#: The shape of a memory begins with these: average and last key frame, and the numbers of a cell that travel.
BEGINNING = (2, len(ROWS))


def packed(state: StreamState, frame: KeyFrame) -> StreamMemory:
    """Pack a stream's state after the key frame `frame`, in half precision, which changes no pixel by over 2 levels."""
    both = np.concatenate([part.cpu().numpy() for part in state])  # 2 4 7 D R C
    numbers = both[:, ROWS, COLUMNS].clip(-LARGEST, LARGEST).astype(np.float16)
    return StreamMemory(frame.style_id, frame.scene, frame.picked_ms, numbers.shape, numbers.tobytes())


def unpacked(memory: StreamMemory, device: str) -> StreamState | None:
    """Unpack a state for a torch device; return None if it is invalid, since it may not have been written by us."""
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
