"""Memory of the process that glibc keeps after it was freed. Other C libraries have none of this: no effect there.

Source: malloc_trim(3), mallopt(3).
"""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8


def release() -> None:
    """Return freed memory to the kernel: after the rulesets are parsed that is 36 MB a process."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def use_one_arena() -> None:
    """Let all threads allocate from one arena, which `release` can return; call it before threads start.

    Each thread gets an arena of its own else, and keeps what its largest call needed: 12 MB for an agent's threads.
    They run one at a time, so that the arena's lock costs nothing.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(M_ARENA_MAX, 1)
