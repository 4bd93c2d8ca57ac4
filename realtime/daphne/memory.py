"""What clients made the server hold goes back to the system when they are gone."""

from __future__ import annotations

import ctypes

# mallopt(3); glibc's own limit begins at 128 KiB and grows with what is freed.
M_MMAP_THRESHOLD = -3
# What a socket does not take at once is joined into 64 KiB; what it leaves of that is less.
OWN_MAPPING_BYTES = 16 * 1024


def give_back_large_buffers() -> None:
    """Let each large buffer have a mapping of its own, which ends with it; only glibc knows how.

    From the heap they would leave holes between small objects, which stay the process's.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES)
