"""Where the program bird is."""

from __future__ import annotations

import shutil

PROGRAM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


def find() -> str:
    """Return the path of bird. Raises FileNotFoundError with the remedy."""
    found = shutil.which("bird", path=PROGRAM_PATH)
    if found is None:
        raise FileNotFoundError("the program bird is not installed: apt-get install bird2")
    return found
