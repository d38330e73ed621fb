import re
import subprocess
import sys

import pytest
import torch

from workers.process.gpu_pages import GPU_LIBRARY, unchanged_mappings

SMAPS = """\
7f00-7f10 r--p 00000000 08:01 42 /x/nvidia/cublas/lib/libcublasLt.so.13
Rss: 64 kB
Anonymous:             0 kB
7f10-7f20 r--p 00010000 08:01 42 /x/nvidia/cublas/lib/libcublasLt.so.13
Anonymous:             4 kB
7f20-7f30 rw-p 00020000 08:01 42 /x/nvidia/cublas/lib/libcublasLt.so.13
Anonymous:             0 kB
7f30-7f40 r-xp 00000000 08:01 43 /x/torch/lib/libtorch_cpu.so
Anonymous:             0 kB
7f40-7f50 r-xp 00000000 08:01 44 /x/torch/lib/libtorch_cuda.so
Anonymous:             0 kB
"""

STYLIZE_ON_A_DIET = """
import numpy as np, psutil
from edge.grid_model.stylizer import Stylizer
from workers.process.gpu_pages import forget_gpu_libraries

stylizer, picture = Stylizer.load(device="cpu"), np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
before, full = stylizer.stylize(picture, stylizer.style(picture)), psutil.Process().memory_info().rss
forget_gpu_libraries()
lean = psutil.Process().memory_info().rss
assert (stylizer.stylize(picture, stylizer.style(picture)) == before).all()
print(full - lean)
"""


def test_only_pages_that_the_file_still_has_are_dropped():
    assert list(unchanged_mappings(SMAPS, GPU_LIBRARY)) == [(0x7F00, 0x7F10), (0x7F40, 0x7F50)]
    assert list(unchanged_mappings(SMAPS, re.compile("nothing"))) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_model_draws_the_same_afterwards():
    run = subprocess.run([sys.executable, "-c", STYLIZE_ON_A_DIET], capture_output=True, text=True, timeout=120)

    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= (50e6 if torch.version.cuda else 0)  # a torch without CUDA has nothing to give back
