"""busybox's programs by their names: a folder of links that a node makes once, first on the PATH of busybox images.

busybox is one file that does what the name says by which it is called (busybox(1)).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from podwire.lab.container.plan import Mount

FOLDER = "/.busybox"
"""Where a container has the links. No volume lies above it, so nothing has to be made in anybody's volume."""


NC = f"""#!{FOLDER}/sh
# This busybox was built with the small nc, which has neither -z nor -v nor -n. Its -e runs a program when connected.
zero= loud= wait=
while getopts :nvw:z option; do
  case $option in
    n) ;;
    v) loud=1 ;;
    w) wait="-w $OPTARG" ;;
    z) zero=1 ;;
    *) exec {FOLDER}/busybox nc "$@" ;;
  esac
done
shift $((OPTIND - 1))
[ "$zero" ] || exec {FOLDER}/busybox nc $wait "$@"
{FOLDER}/busybox nc $wait "$@" -e {FOLDER}/true || exit
[ -z "$loud" ] || echo "$1 ($1:$2) open" >&2
"""
"""What stands for nc where busybox's own cannot do what that of the image can: `until nc -z` waits for a server."""


def provide(folder: Path, busybox: str, names: Iterable[str], *, small_nc: bool = False) -> None:
    """Make the links to a file that every container sees; those that are there stay. `small_nc`: its nc has no -z."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    if small_nc:
        script = folder / ".nc"
        script.write_text(NC)
        script.chmod(0o755)
        script.replace(folder / "nc")
    for name in (*names, "busybox"):
        with contextlib.suppress(FileExistsError):
            os.symlink(busybox, folder / name)


def mount(folder: str) -> Mount:
    """The links in a container, which cannot change them."""
    return Mount(source=folder, target=FOLDER, read_only=True)


def path(default: str) -> str:
    """The PATH of a container that has the links, from what it had without them."""
    return f"{FOLDER}:{default}"
