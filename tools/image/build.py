"""The image, from locks to archive."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec

from podwire import __version__
from tools.image import contents, plugin, wheels
from tools.image.archive import ImageConfig, Layer, archive
from tools.image.bytecode import add_bytecode
from tools.image.debian import Apt, members
from tools.image.lock import ARCHITECTURES, DebianLock, Package
from tools.image.tree import File, Folder, Link, Tree
from tools.image.wheels import TOP, Wheel

FOLDER = TOP / "build" / "image"
"""What was downloaded and compiled; everything in it can be made again."""


class Parts(msgspec.Struct, frozen=True):
    """What an image is made of."""

    machine: str
    debian: tuple[tuple[Package, Path], ...]
    wheels: tuple[Wheel, ...]
    podwire: Wheel
    plugin: bytes
    time: int


class Image(msgspec.Struct, frozen=True):
    """A finished image, not yet written."""

    archive: bytes
    digest: str
    layers: tuple[tuple[str, int], ...]
    """What each layer is, and its size unpacked."""


def gather(machine: str) -> Parts:
    """Download and compile what is not here yet. Raises ImageError."""
    architecture = ARCHITECTURES[machine]
    packages = DebianLock.read().packages[architecture]
    files = Apt(FOLDER / f"apt-{architecture}", architecture).fetch(packages)
    return Parts(
        machine=machine,
        debian=tuple((package, files[package.name]) for package in packages),
        wheels=tuple(wheels.fetch(FOLDER / f"wheels-{machine}", machine)),
        podwire=wheels.podwire(FOLDER / "podwire"),
        plugin=plugin.plugin(FOLDER, machine),
        time=build_time(),
    )


def build_time() -> int:
    """SOURCE_DATE_EPOCH, else the time of the tree's last commit, else 0 (reproducible-builds.org)."""
    chosen = os.environ.get("SOURCE_DATE_EPOCH")
    if chosen:
        return int(chosen)
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 0


def assemble(parts: Parts) -> Image:
    """The image. Nothing but the parts decides its bytes."""
    debian, packages, own = debian_tree(parts), Tree(), Tree()
    for wheel in parts.wheels:
        wheel.unpack(packages)
    parts.podwire.unpack(own)
    own[contents.PLUGIN] = File(parts.plugin, is_executable=True)
    for tree in (debian, packages, own):
        add_bytecode(tree, debian, parts.machine)
    named = (("Debian packages and Python", debian), ("Python packages", packages), ("podwire and its CNI plugin", own))
    config = ImageConfig(
        reference=f"podwire:{__version__}",
        architecture=ARCHITECTURES[parts.machine],
        entrypoint=("/opt/podwire/bin/podwire",),
        environment=contents.ENVIRONMENT,
        labels={
            "org.opencontainers.image.title": "podwire",
            "org.opencontainers.image.version": __version__,
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
        time=parts.time,
    )
    data, digest = archive(config, [Layer(tree.tar(parts.time), name) for name, tree in named])
    return Image(data, digest, tuple((name, tree.size) for name, tree in named))


def debian_tree(parts: Parts) -> Tree:
    """Debian's files, and those that are no package's."""
    tree = Tree()
    for package, file in parts.debian:
        for member, content in members(file):
            path = contents.merged(member.name)
            if not contents.is_taken(package.name, path):
                continue
            if content is not None:
                tree[path] = File(content, bool(member.mode & 0o100))
            elif member.issym():
                tree[path] = Link(member.linkname)
    for path, text, mode in contents.own_files():
        tree[path] = File(text.encode(), bool(mode & 0o100))
    for path, target in contents.LINKS.items():
        tree[path] = Link(target)
    tree[f"{contents.ROOT}/bin/python"] = Link(f"/{contents.PYTHON}")
    for path, mode in (("tmp", 0o1777), ("run", 0o755), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
        tree[path] = Folder(mode)
    return tree
