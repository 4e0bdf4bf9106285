"""An image, from locks to archive."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from podwire import __version__
from tools.image import contents, plugin, spdx, wheels
from tools.image.archive import ImageConfig, Layer, archive
from tools.image.bytecode import Compiler
from tools.image.debian import Apt, members
from tools.image.elf import missing_libraries, without_symbols
from tools.image.licences import of_debian
from tools.image.lock import ARCHITECTURES, DebianLock, ImageError, Package
from tools.image.spdx import Component, Subject
from tools.image.tree import File, Folder, Link, Tree
from tools.image.variants import Variant
from tools.image.wheels import TOP, Wheel

FOLDER = TOP / "build" / "image"
"""What was downloaded and compiled; everything in it can be made again."""


class Parts(msgspec.Struct, frozen=True):
    """What an image is made of."""

    variant: Variant
    machine: str
    debian: tuple[tuple[Package, Path], ...]
    wheels: tuple[Wheel, ...]
    podwire: Wheel
    plugin: bytes | None
    time: int


class Image(msgspec.Struct, frozen=True):
    """A finished image, not yet written."""

    archive: bytes
    digest: str
    bill: bytes
    """SPDX 2.3 JSON."""
    layers: tuple[tuple[str, int], ...]
    """What each layer is, and its size unpacked."""


def gather(variant: Variant, machine: str) -> Parts:
    """Download and compile what is not here yet. Raises ImageError."""
    architecture = ARCHITECTURES[machine]
    pinned = DebianLock.read().packages[architecture]
    packages = tuple(package for package in pinned if package.name in variant.packages)
    files = Apt(FOLDER / f"apt-{architecture}", architecture).fetch(packages)
    return Parts(
        variant=variant,
        machine=machine,
        debian=tuple((package, files[package.name]) for package in packages),
        wheels=tuple(wheels.fetch(FOLDER / f"wheels-{variant.name}-{machine}", machine, variant.python)),
        podwire=wheels.podwire(FOLDER / "podwire"),
        plugin=plugin.plugin(FOLDER, machine) if variant.has_plugin else None,
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
    bill = [*debian_components(parts, debian), *(wheel.component() for wheel in (*parts.wheels, parts.podwire))]
    parts.podwire.unpack(own)
    if parts.plugin is not None:
        own[contents.PLUGIN] = File(parts.plugin, is_executable=True)
    missing = missing_libraries(debian, packages, own)
    if missing:
        raise ImageError(f"libraries are missing, name their packages in tools/image/contents.py: {', '.join(missing)}")
    python = Compiler(debian, parts.machine)
    python.compile(own, keep_source=True)
    for tree in (debian, packages):
        python.compile(tree, keep_source=False)
    own_name = "podwire and its CNI plugin" if parts.plugin is not None else "podwire"
    named = (("Debian packages and Python", debian), ("Python packages", packages), (own_name, own))
    config = ImageConfig(
        reference=f"{parts.variant.name}:{__version__}",
        architecture=ARCHITECTURES[parts.machine],
        entrypoint=("/opt/podwire/bin/podwire",),
        environment=contents.ENVIRONMENT,
        labels={
            "org.opencontainers.image.title": parts.variant.name,
            "org.opencontainers.image.version": __version__,
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
        time=parts.time,
    )
    data, digest = archive(config, [Layer(tree.tar(parts.time), name) for name, tree in named])
    subject = Subject(parts.variant.name, __version__, digest, ARCHITECTURES[parts.machine], parts.time)
    return Image(data, digest, spdx.document(subject, bill), tuple((name, tree.size) for name, tree in named))


def debian_components(parts: Parts, tree: Tree) -> Iterator[Component]:
    """The Debian packages, for the bill of materials."""
    for package, _ in parts.debian:
        documents = f"usr/share/doc/{package.name}"
        if documents in tree and isinstance(link := tree[documents], Link):
            documents = f"usr/share/doc/{link.target}"
        text = tree[f"{documents}/copyright"]
        assert isinstance(text, File)
        architecture = ARCHITECTURES[parts.machine]
        yield Component(
            name=package.name,
            version=package.version,
            sha256=package.sha256,
            url=f"pkg:deb/debian/{package.name}@{quote(package.version)}?arch={architecture}",
            licences=of_debian(package.name, text.content.decode("utf-8", "replace")),
            supplier="Organization: Debian",
        )


def debian_tree(parts: Parts) -> Tree:
    """Debian's files, and those that are no package's."""
    tree = Tree()
    for package, file in parts.debian:
        for member, content in members(file):
            path = contents.merged(member.name)
            if not contents.is_taken(package.name, path, parts.variant.packages[package.name]):
                continue
            if content is not None:
                tree[path] = File(without_symbols(content), bool(member.mode & 0o100))
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
