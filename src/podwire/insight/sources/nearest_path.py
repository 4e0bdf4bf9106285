"""The paths nearest to one that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import PurePath

MOST_SHOWN = 3


def hint(
    path: PurePath, entries: Callable[[PurePath], Iterable[str] | None], shown: Callable[[PurePath], str] = str
) -> str:
    """Return `; there is A, B`: the entries nearest to the first part of the path that does not exist, or nothing.

    `entries` returns the names in a folder, None where the folder does not exist; `shown` how a path is written.
    """
    missing = path
    for folder in (path.parent, *path.parent.parents):
        names = entries(folder)
        if names is not None:
            known = sorted(names)
            near = difflib.get_close_matches(missing.name, known, MOST_SHOWN, 0.5) or known[:MOST_SHOWN]
            more = " ..." if len(near) < len(known) else ""
            return f"; there is {', '.join(shown(folder / one) for one in near)}{more}" if near else ""
        missing = folder
    return ""
