"""The plan of a pod: what its shim runs. Written by the kubelet to the pod's folder as JSON; read after a restart."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec

PLAN_FILE = "plan.json"
STATE_FILE = "state.json"
SHIM_SOCKET = "shim.sock"


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value that the runtime and the shim exchange."""


class Mount(Struct, frozen=True, kw_only=True):
    """A file or folder of the world at a path of the container. `sub_path` is resolved without leaving the source.

    With a `filesystem`, proc or sysfs, it is the container's own one, read-only, in place of a source.
    """

    source: str = ""
    target: str
    sub_path: str = ""
    read_only: bool = False
    filesystem: str = ""


class Execute(Struct, frozen=True, kw_only=True, tag="execute"):
    """A program with its arguments; the first is looked up in the container's PATH, where no `file` is given."""

    arguments: tuple[str, ...]
    file: str = ""


REPORT = 3
"""The descriptor of a container's first process that it closes when its program runs."""


class Call(Struct, frozen=True, kw_only=True, tag="call"):
    """Python of podwire's own that is run by forking: `function` is "module:name", called with the arguments.

    With `reports` the function itself closes REPORT; the container has started then.
    """

    function: str
    arguments: dict[str, str] = {}
    reports: bool = False


class Refuse(Struct, frozen=True, kw_only=True, tag="refuse"):
    """Nothing to run, for this reason: the container is not made, or, `at_start`, it is made and its start fails."""

    message: str
    at_start: bool = False


Program = Execute | Call | Refuse


class Identity(Struct, frozen=True, kw_only=True):
    """Who the processes of a container are. Capabilities are names without CAP_, of root's processes."""

    user: int = 0
    group: int = 0
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    no_new_privileges: bool = False


class ContainerPlan(Struct, frozen=True, kw_only=True):
    """One container. `restart` is Always, OnFailure or Never; an init container that always restarts is a sidecar.

    What is behind a `gated` one waits until the kubelet reports that it has started: it has a startup probe. An
    `ephemeral` one starts whenever it comes, once, and the pod does not live for it; it shares the processes of its
    `target`, the name of a container that runs, where one is given. `image_root` is the folder of an unpacked image's
    files; without one the container sees the machine's programs. With `message_from_log` the end of a failed run's log
    is its termination message, where it wrote none.
    """

    name: str
    program: Program
    environment: dict[str, str] = {}
    folder: str = "/"
    identity: Identity = Identity()
    mounts: tuple[Mount, ...] = ()
    restart: str = "Always"
    init: bool = False
    ephemeral: bool = False
    target: str = ""
    gated: bool = False
    terminal: bool = False
    stdin: bool = False
    stdin_once: bool = False
    read_only_root: bool = False
    grace_seconds: float = 30
    image_id: str = ""
    image_root: str = ""
    stop_signal: int = signal.SIGTERM
    message_from_log: bool = False

    @property
    def sidecar(self) -> bool:
        """Whether it runs beside the main containers, from before their start until after their end."""
        return self.init and self.restart == "Always"

    @property
    def main(self) -> bool:
        """Whether the pod lives for it."""
        return not self.init and not self.ephemeral


class PodPlan(Struct, frozen=True, kw_only=True):
    """All containers of a pod, init containers first and in order; `network` is its pinned network namespace."""

    uid: str
    namespace: str
    name: str
    hostname: str
    network: str
    containers: tuple[ContainerPlan, ...]


def read_plan(folder: Path) -> PodPlan:
    """The plan in a pod's folder."""
    return msgspec.json.decode((folder / PLAN_FILE).read_bytes(), type=PodPlan)


def write_plan(folder: Path, plan: PodPlan) -> None:
    """Replace the plan in a pod's folder whole."""
    replace_file(folder / PLAN_FILE, msgspec.json.encode(plan))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.rename(path)
