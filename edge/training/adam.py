"""The optimizer Adam (Kingma and Ba 2015).

torch's own Adam imports torch's compiler when it is created, which takes seconds and 150 MB.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

#: Keeps a step finite where a gradient has always been nearly zero.
EPSILON = 1e-8


class Adam:
    """Steps of about `rate` along each parameter's gradient, however large it is. The rate may be changed."""

    def __init__(self, parameters: Iterable[Tensor], rate: float, betas: tuple[float, float]) -> None:
        self._parameters, self.rate, self._betas, self._steps = list(parameters), rate, betas, 0
        self._mean = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._square = [torch.zeros_like(parameter) for parameter in self._parameters]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters once. A parameter without a gradient stays as it is."""
        self._steps += 1
        first, second = (1 - beta**self._steps for beta in self._betas)  # both means begin at zero
        for parameter, mean, square in zip(self._parameters, self._mean, self._square, strict=True):
            if parameter.grad is None:
                continue
            mean.lerp_(parameter.grad, 1 - self._betas[0])
            square.lerp_(parameter.grad.square(), 1 - self._betas[1])
            parameter.addcdiv_(mean, (square / second).sqrt_().add_(EPSILON), value=-self.rate / first)
