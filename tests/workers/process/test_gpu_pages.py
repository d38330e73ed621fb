import re

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


def test_only_pages_that_the_file_still_has_are_dropped():
    assert list(unchanged_mappings(SMAPS, GPU_LIBRARY)) == [(0x7F00, 0x7F10), (0x7F40, 0x7F50)]
    assert list(unchanged_mappings(SMAPS, re.compile("nothing"))) == []
