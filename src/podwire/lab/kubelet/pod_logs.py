"""Where a node shows the logs of its pods, as log collectors expect them.

    /var/log/pods/<namespace>_<pod>_<uid>/<container>/<run>.log
    /var/log/containers/<pod>_<namespace>_<container>-<id>.log    links to the newest of them

Source: k8s.io/kubernetes `pkg/kubelet/kuberuntime/helpers.go` (BuildContainerLogsDirectory), `legacy.go`.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path

import msgspec

from podwire.lab.kubelet.host_path import POD_LOGS
from podwire.lab.kubelet.node_files import NodeFiles


def container_id(uid: str, container: str, run: int) -> str:
    """Return the id of a container's run, counted from 0: 64 hexadecimal digits, as those of container runtimes."""
    return hashlib.sha256(f"{uid}/{container}/{run}".encode()).hexdigest()


class PodLogs(msgspec.Struct, frozen=True):
    """The logs of one pod."""

    node: NodeFiles
    namespace: str
    pod: str
    uid: str

    @property
    def folder(self) -> Path:
        """The folder that has a folder for each container."""
        return self.node.pod_logs / self._name

    @property
    def _name(self) -> str:
        return f"{self.namespace}_{self.pod}_{self.uid}"

    def provide(self, pod_folder: Path) -> None:
        """Make the folder, to which `logs` of the pod's folder leads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (pod_folder / "logs").symlink_to(self.folder)

    def link(self, container: str, run: int) -> None:
        """Show the log of a container's run, in place of the run before it."""
        folder = self.node.container_logs
        folder.mkdir(parents=True, exist_ok=True)
        self._unlink(container, run - 1)
        with contextlib.suppress(FileExistsError):
            self._link_of(container, run).symlink_to(f"{POD_LOGS}/{self._name}/{container}/{run}.log")

    def remove(self) -> None:
        """Remove the folder and the links to it."""
        for log in self.folder.glob("*/*.log"):
            with contextlib.suppress(ValueError):
                self._unlink(log.parent.name, int(log.stem))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unlink(self, container: str, run: int) -> None:
        self._link_of(container, run).unlink(missing_ok=True)

    def _link_of(self, container: str, run: int) -> Path:
        name = f"{self.pod}_{self.namespace}_{container}-{container_id(self.uid, container, run)}.log"
        return self.node.container_logs / name
