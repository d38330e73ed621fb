"""Give back what loading torch has read of the GPU's libraries: 145 of 600 MiB, which no worker without a GPU needs."""

import ctypes
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MADV_DONTNEED = 4
GPU_LIBRARY = re.compile(r"/nvidia/|libtorch_cuda")
#: First line of a mapping in /proc/self/smaps: start, end, permissions, and after three more fields the file.
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)")


def forget_gpu_libraries() -> None:
    """If they are used later, the kernel reads them again. On other systems than Linux nothing happens."""
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, end in unchanged_mappings(Path("/proc/self/smaps").read_text(), GPU_LIBRARY):
        madvise(start, end - start, MADV_DONTNEED)


def unchanged_mappings(smaps: str, files: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each read-only mapping of such files of which every page is still the file's own.

    A page that the linker has written to is read-only too, but gone for good once it is dropped.
    """
    mapping = None
    for line in smaps.splitlines():
        mapping = MAPPING.match(line) or mapping
        if line.startswith("Anonymous:") and line.split()[1] == "0":
            assert mapping is not None  # a mapping's first line comes before what is said of it
            start, end, permissions, file = mapping.groups()
            if files.search(file) and "w" not in permissions:
                yield int(start, 16), int(end, 16)
