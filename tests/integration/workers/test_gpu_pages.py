"""A process that has given back the pages of GPU libraries."""

import subprocess
import sys

import pytest
import torch

STYLIZE_ON_A_DIET = """
import numpy as np, psutil
from edge.grid_model.stylizer import GridStylizer
from workers.process.gpu_pages import forget_gpu_libraries

stylizer, picture = GridStylizer.load(device="cpu"), np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
before, full = stylizer.stylize(picture, stylizer.style(picture)), psutil.Process().memory_info().rss
forget_gpu_libraries()
lean = psutil.Process().memory_info().rss
assert (stylizer.stylize(picture, stylizer.style(picture)) == before).all()
print(full - lean)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_model_draws_the_same_afterwards():
    run = subprocess.run([sys.executable, "-c", STYLIZE_ON_A_DIET], capture_output=True, text=True, timeout=120)

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= (50e6 if torch.version.cuda else 0)  # a torch without CUDA has nothing to give back
