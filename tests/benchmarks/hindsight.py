"""The best key frames in hindsight: what no choice that is made while a clip plays can surpass.

The choice knows what each answer would lose on each frame, and the edge remembers every frame, not only the key frames.
Every third frame may become one. For a price of a key frame, dynamic programming finds the key frames with the least
loss and price together; prices from low to high give the bound's curve.
"""

import math
from collections import defaultdict

import numpy as np
import torch

from clients.reassembly.grid import apply_grid
from edge.grid_model.stylizer import GridStylizer
from edge.grid_model.temporal_average import StreamState
from pipeline.key_frames.change import lead_s
from support.pictures.metrics import ms_ssim

#: Every so many frames one may become a key frame, and one is compared.
STEP = 3
SHORTEST_S, LONGEST_S = 0.12, 4.05
#: What a key frame costs, in loss (1 - MS-SSIM) times seconds.
PRICES = (2e-5, 4e-5, 1e-4, 2e-4, 3e-4, 4e-4, 6e-4, 1e-3)


class Hindsight:
    """One clip: the loss of each answer for as long as it may be on show."""

    def __init__(
        self,
        stylizer: GridStylizer,
        rate: float,
        pictures: list[np.ndarray],
        equations: list[torch.Tensor],
        own: dict[int, np.ndarray],
        delay: int,
    ) -> None:
        """`pictures` are RGB uint8 [H, W, 3]; `own` has each one's grid, had every frame been a key frame."""
        self._stylizer, self._rate, self._delay = stylizer, rate, delay
        self._pictures, self._equations = pictures, equations
        self._own = {index: floats(apply_grid(pictures[index], own[index])) for index in range(0, len(pictures), STEP)}
        self._ends = [*range(0, len(pictures), STEP), len(pictures)]
        self._losses = self._all_losses()

    def choice(self, price: float) -> tuple[float, float]:
        """Key frames a second, and the mean loss of the frames from the first answer on."""
        spans = self._losses + price * self._rate / STEP
        least, before = np.zeros(len(self._ends)), np.zeros(len(self._ends), int)
        for end in range(1, len(self._ends)):
            totals = least[:end] + spans[:end, end]
            before[end], least[end] = totals.argmin(), totals.min()
        count, loss, end = 0, 0.0, len(self._ends) - 1
        while end > 0:
            count, loss, end = count + 1, loss + self._losses[before[end], end], before[end]
        compared = sum(index >= self._delay for index in self._own)
        return count * self._rate / len(self._pictures), loss / compared

    def _all_losses(self) -> np.ndarray:
        """[a, b]: the summed loss of the answer to key frame `a` until that to `b` comes; infinite if never so."""
        losses, state = np.full((len(self._ends) - 1, len(self._ends)), math.inf), None
        for index, equations in enumerate(self._equations):
            if index % STEP == 0:
                losses[index // STEP] = self._losses_of(index, state)
            _, state = self._stylizer.settle(equations, state, elapsed_s=1 / self._rate)
        return losses

    def _losses_of(self, key: int, state: StreamState | None) -> np.ndarray:
        """The summed losses of one key frame's answer until each of the ends."""
        losses, places_by_lead = np.full(len(self._ends), math.inf), defaultdict(list)
        for place, end in enumerate(self._ends):
            if SHORTEST_S <= (end - key) / self._rate <= LONGEST_S:
                places_by_lead[lead_s((end - key) / self._rate)].append(place)
        for lead, places in places_by_lead.items():
            equations, elapsed_s = self._equations[key], 1 / self._rate
            grid, _ = self._stylizer.settle(equations, state, elapsed_s=elapsed_s, lead_s=lead)
            loss = {index: self._loss(index, grid) for index in self._shown(key, places[-1])}
            for place in places:
                losses[place] = sum(loss[index] for index in self._shown(key, place))
        return losses

    def _shown(self, key: int, place: int) -> list[int]:
        """The compared frames whose newest answer is this key frame's, if the next one's is that of this end."""
        end = self._ends[place]
        until = end if end == len(self._pictures) else end + self._delay
        return [index for index in self._own if key + self._delay <= index < until]

    def _loss(self, index: int, grid: np.ndarray) -> float:
        return 1 - ms_ssim(floats(apply_grid(self._pictures[index], grid)), self._own[index])


def floats(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255
