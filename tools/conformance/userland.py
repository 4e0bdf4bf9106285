"""The programs of a distribution that the suite runs inside containers, unpacked from this machine's Debian archive."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.conformance import cache

PACKAGES = (
    "base-passwd", "bash", "bind9-dnsutils", "bind9-host", "conntrack", "coreutils", "curl", "dash", "findutils",
    "gawk", "grep", "hostname", "iperf", "iproute2", "iputils-ping", "libc-bin", "mawk", "netbase", "netcat-openbsd",
    "procps", "sed", "socat", "tar", "util-linux", "wget",
)  # fmt: skip
"""What the images of upstream have: agnhost's apk packages, with Debian's names."""

LEFT_OUT = re.compile(
    r"^(perl.*|libperl.*|dpkg|debconf.*|cdebconf|usrmerge|usr-is-merged|init-system-helpers|install-info|.*-common)$"
)
"""What packages need for being installed and removed, not for running."""

MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders that are links to those below /usr since Debian 12."""

LINKS = (("usr/bin/nc", "nc.openbsd"), ("usr/bin/sh", "dash"), ("usr/bin/awk", "mawk"))
"""Names that maintainers' scripts would make."""

APT_GET_MISSING = "the agnhost image is made of Debian packages: `apt-get` and `dpkg-deb` are needed (Debian, Ubuntu)"


class MissingAptError(Exception):
    """The machine has no Debian archive to take packages from."""


def tree(name: str = "userland", packages: tuple[str, ...] = PACKAGES) -> Path:
    """The unpacked programs with their libraries; downloads about 40 MB when made for the first time.

    `name` is that of the product. Raises MissingAptError, CalledProcessError.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise MissingAptError(APT_GET_MISSING)
    release = Path("/etc/debian_version").read_text()
    key = cache.key(release, Path(__file__).read_bytes(), *packages)
    return cache.product(name, key, lambda folder: _unpack(packages, folder))


def closure(wanted: Iterable[str], depends: Callable[[list[str]], str]) -> set[str]:
    """The packages with everything they need to run. `depends(names)` is what `apt-cache depends` prints."""
    reached: set[str] = set()
    waiting = set(wanted)
    while waiting := {name for name in waiting - reached if not LEFT_OUT.match(name)}:
        reached |= waiting
        waiting = set(first_choices(depends(sorted(waiting))))
    return reached


def first_choices(printed: str) -> list[str]:
    """The dependencies that `apt-cache depends` names, of alternatives (`|Depends`) the first; no virtual packages."""
    names = []
    alternative = False
    for line in printed.splitlines():
        found = re.match(r"\s+(\|?)(?:Pre)?Depends: (\S+)", line)
        if found is None:
            continue
        if not alternative and not found[2].startswith("<"):
            names.append(found[2])
        alternative = bool(found[1])
    return names


def _depends(names: list[str]) -> str:
    return subprocess.run(["apt-cache", "depends", "-i", *names], check=True, capture_output=True, text=True).stdout


def extract(package: Path, folder: Path) -> None:
    """Unpack a package, also through the links of merged folders, which `dpkg-deb -x` would replace."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as members:
        tar = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(folder)]
        subprocess.run(tar, check=True, stdin=members.stdout)
    if members.returncode:
        raise subprocess.CalledProcessError(members.returncode, members.args)


def _unpack(wanted: tuple[str, ...], folder: Path) -> None:
    packages = sorted(closure(wanted, _depends))
    for name in MERGED:
        folder.joinpath("usr", name).mkdir(parents=True)
        folder.joinpath(name).symlink_to(f"usr/{name}")
    downloads = folder.with_name(folder.name + "-packages")
    downloads.mkdir()
    try:
        subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages], check=True, cwd=downloads
        )
        for package in sorted(downloads.glob("*.deb")):
            extract(package, folder)
    finally:
        shutil.rmtree(downloads)
    for unused in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/common-licenses"):
        shutil.rmtree(folder / unused, ignore_errors=True)
    for path, target in LINKS:
        link = folder / path
        if not link.is_symlink() and not link.exists() and link.with_name(target).exists():
            link.symlink_to(target)
    for empty in ("tmp", "root", "proc", "sys", "dev", "run"):
        folder.joinpath(empty).mkdir(exist_ok=True)
    folder.joinpath("tmp").chmod(0o1777)
