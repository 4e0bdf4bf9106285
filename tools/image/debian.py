"""Debian packages by apt's own configured sources, in a folder of its own: neither root nor the machine's lists.

Sources: apt.conf(5), apt-get(8), deb(5).
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tools.image.lock import RENEWAL, DebianLock, ImageError, Package

_PARAGRAPH = re.compile(r"^(Package|Version|SHA256): (.*)$", re.MULTILINE)


class Apt:
    """apt for one architecture, with all that it writes below a folder."""

    def __init__(self, folder: Path, architecture: str) -> None:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise ImageError("apt-get and dpkg-deb are needed: the image is made of Debian's packages")
        self._folder = folder
        for each in ("lists/partial", "cache/archives/partial", "packages"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        options = {
            "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Sandbox::User": "",
            "Acquire::Languages": "none", "Dir::State::Lists": folder / "lists",
            "Dir::State::status": folder / "status", "Dir::Cache": folder / "cache",
        }  # fmt: skip
        self._options = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def update(self) -> None:
        """Read the lists of all sources. A source that does not answer is no error: a package may be elsewhere."""
        self._run("apt-get", "-q", "update")

    def candidates(self, names: Iterable[str]) -> Iterator[Package]:
        """Each package as apt would install it now. Raises ImageError for one that no source has."""
        wanted = sorted(names)
        done = self._run("apt-cache", "show", "--no-all-versions", *wanted)
        found = {}
        for paragraph in done.stdout.split("\n\n"):
            fields = dict(_PARAGRAPH.findall(paragraph))
            if len(fields) == 3:
                found[fields["Package"]] = Package(fields["Package"], fields["Version"], fields["SHA256"])
        for name in wanted:
            if name not in found:
                raise ImageError(f"no source of apt has the package {name}: {done.stderr.strip()}")
            yield found[name]

    def fetch(self, packages: Sequence[Package]) -> dict[str, Path]:
        """The packages' files by name, downloaded where they are not here yet.

        Raises ImageError for a version that is gone.
        """
        files = {package.name: self._folder / "packages" / f"{package.sha256}.deb" for package in packages}
        missing = [package for package in packages if not files[package.name].exists()]
        if missing:
            self.update()
            downloads = self._folder / "downloads"
            shutil.rmtree(downloads, ignore_errors=True)
            downloads.mkdir()
            done = self._run("apt-get", "-q", "download", *(f"{p.name}={p.version}" for p in missing), cwd=downloads)
            loaded = {_digest(path): path for path in downloads.glob("*.deb")}
            for package in missing:
                if package.sha256 not in loaded:
                    raise ImageError(_gone(package, done.stderr))
                loaded[package.sha256].replace(files[package.name])
        return files

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [program, *self._options, *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def _gone(package: Package, words: str) -> str:
    return (
        f"{package.name} {package.version} (sha256 {package.sha256}) is pinned by tools/image/debian.lock, and no"
        f" source of apt has it any more: pin what there is now by '{RENEWAL}'. apt: {words.strip()}"
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def resolve(lock_release: str, apts: dict[str, Apt], names: Iterable[str]) -> DebianLock:
    """A lock of what apt's sources have now."""
    wanted = tuple(names)
    packages = {}
    for architecture, apt in apts.items():
        apt.update()
        packages[architecture] = tuple(apt.candidates(wanted))
    return DebianLock(lock_release, packages)


def members(file: Path) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    """Each member of a package, and a regular file's content. dpkg-deb decompresses; nothing of a package is run."""
    try:
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as archive,
        ):
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                yield member, content.read() if content is not None else None
    except tarfile.TarError:
        raise ImageError(f"{file} is damaged: remove it, and build again") from None
