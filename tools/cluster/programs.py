"""The cluster's programs: Kubernetes, etcd, containerd, the reference network plugins, and runc."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.conformance import cache, userland
from tools.conformance.programs import Program, build, release, required

_CONTAINERD = "github.com/containerd/containerd/v2"
_PLUGINS = "github.com/containernetworking/plugins/plugins"
_MAJOR, _MINOR = release().removeprefix("v").split(".")[:2]
_NUMBERS = tuple(
    f"{package}.{name}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in (("gitMajor", _MAJOR), ("gitMinor", _MINOR))
)

KUBERNETES = tuple(
    Program(name, f"k8s.io/kubernetes/cmd/{name}", variables=_NUMBERS)
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
)
ETCD = Program("etcd", "go.etcd.io/etcd/server/v3", module="etcd")
CONTAINERD = tuple(
    Program(
        name, f"{_CONTAINERD}/cmd/{name}", module="containerd", tags="no_btrfs,no_zfs,no_devmapper,no_tracing",
        variables=(f"{_CONTAINERD}/version.Version={required(_CONTAINERD, 'containerd').removeprefix('v')}",),
    )
    for name in ("containerd", "containerd-shim-runc-v2", "ctr")
)  # fmt: skip
PLUGINS = tuple(
    Program(path.rpartition("/")[2], f"{_PLUGINS}/{path}", module="cni")
    for path in ("main/bridge", "main/loopback", "ipam/host-local", "meta/portmap", "meta/bandwidth", "meta/tuning")
)
"""What distributions place in /opt/cni/bin: for chains, and to compare with."""

PAUSE = Program("pause", "./pause")
CALLER = Program("caller", "./caller")
ALL = (*KUBERNETES, ETCD, *CONTAINERD, *PLUGINS, PAUSE, CALLER)
RUNC = "runc"


@dataclass(frozen=True, slots=True)
class Programs:
    """Where each program is, by its file name."""

    paths: dict[str, Path]

    def __getitem__(self, name: str) -> Path:
        return self.paths[name]

    @property
    def plugins(self) -> tuple[Path, ...]:
        """The reference network plugins."""
        return tuple(self.paths[program.name] for program in PLUGINS)


def build_all(report: Callable[[str], None]) -> Programs:
    """Build what is missing; from nothing that takes some ten minutes of two cores.

    Raises MissingGoError, userland.MissingAptError, CalledProcessError.
    """
    paths = {}
    for program in ALL:
        report(program.name)
        paths[program.name] = build(program)
    return Programs({**paths, RUNC: runc()})


def runc() -> Path:
    """The machine's runc, else that of its Debian package, unpacked beside the other products.

    It is no Go module that builds without C. Raises userland.MissingAptError, CalledProcessError.
    """
    installed = shutil.which(RUNC)
    if installed is not None:
        return Path(installed)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise userland.MissingAptError("runc is needed: install it with the package manager of this machine")
    release_of_debian = Path("/etc/debian_version").read_text()
    return cache.product(RUNC, cache.key(release_of_debian), _unpack_runc) / "usr" / "sbin" / RUNC


def _unpack_runc(folder: Path) -> None:
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", RUNC]
    subprocess.run(command, check=True, cwd=folder)
    (package,) = folder.glob("*.deb")
    userland.extract(package, folder)
    package.unlink()
