"""Frees the memory of GPU libraries that importing torch has loaded: 145 of 600 MiB, useless without a GPU."""

import ctypes
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MADV_DONTNEED = 4
GPU_LIBRARY = re.compile(r"/nvidia/|libtorch_cuda")
#: The first line of a mapping in /proc/self/smaps: start, end, permissions, three more fields, and the file.
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)")


def forget_gpu_libraries() -> None:
    """Drop the pages of GPU libraries from this process's memory; the kernel reads them again if they are used.

    On systems other than Linux nothing happens.
    """
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, end in unchanged_mappings(Path("/proc/self/smaps").read_text(), GPU_LIBRARY):
        madvise(start, end - start, MADV_DONTNEED)


def unchanged_mappings(smaps: str, files: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each read-only mapping of a matching file whose pages all are as they are in the file.

    Pages that the linker has changed are read-only too, but their contents would be lost if they were dropped.
    """
    mapping = None
    for line in smaps.splitlines():
        mapping = MAPPING.match(line) or mapping
        if line.startswith("Anonymous:") and line.split()[1] == "0":
            assert mapping is not None, "the first line of a mapping comes before its details"
            start, end, permissions, file = mapping.groups()
            if files.search(file) and "w" not in permissions:
                yield int(start, 16), int(end, 16)
