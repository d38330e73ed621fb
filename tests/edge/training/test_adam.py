"""Our Adam makes the same steps as torch's, and imports nothing heavy."""

import subprocess
import sys

import torch
from torch import nn

from edge.training.adam import Adam
from support.paths import ROOT


def test_it_steps_as_torchs_does():
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(2)), nn.Parameter(torch.ones(1))]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    optimizer, reference = Adam(ours, 1e-2, (0.5, 0.999)), torch.optim.Adam(theirs, 1e-2, (0.5, 0.999))

    for step in range(6):
        gradients = [torch.randn(3, 4) * 10**step, torch.randn(2) * 1e-9, None]
        for parameters in (ours, theirs):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
        optimizer.step()
        reference.step()

    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True))
    assert ours[2] == 1


def test_gradients_are_dropped_between_steps():
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)

    Adam([parameter], 1e-2, (0.5, 0.999)).zero_grad()

    assert parameter.grad is None


STEP = """
import sys, torch
from edge.grid_model.model import GridModel
from edge.training.retraining import Retraining, encoder_features
picture = torch.rand(1, 3, 32, 32)
Retraining(GridModel(), encoder_features()).step(picture, picture)
print(*(name for name in ("torch._dynamo", "sympy") if name in sys.modules))
"""


def test_an_edge_that_learns_does_not_load_torchs_compiler():
    done = subprocess.run([sys.executable, "-c", STEP], cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
