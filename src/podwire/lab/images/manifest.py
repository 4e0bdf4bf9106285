"""The JSON documents of an image: index, manifest, configuration, and Docker's manifest.json. Pure.

Sources: OCI image specification 1.1 (`image-index.md`, `manifest.md`, `config.md`); Docker image specification 1.2
(`manifest.json` of `docker save`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from podwire.lab.images.errors import ImageError

CONTAINERD_NAME = "io.containerd.image.name"
REF_NAME = "org.opencontainers.image.ref.name"
ATTESTATION = "vnd.docker.reference.type"
INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
MACHINES = {
    "aarch64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "i386": "386",
    "i686": "386",
    "x86_64": "amd64",
}
"""Go's names of processors by the kernel's (`uname -m`); the others are the same."""

DocumentT = TypeVar("DocumentT")


class Platform(msgspec.Struct, frozen=True):
    """What an image is made for."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """A pointer to a blob."""

    digest: str
    size: int = -1
    media_type: str = ""
    annotations: dict[str, str] = {}
    platform: Platform | None = None

    @property
    def is_attestation(self) -> bool:
        """Whether it points to statements about an image and not to one."""
        return ATTESTATION in self.annotations


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """Several manifests: an archive's images, or one image for several platforms."""

    manifests: tuple[Descriptor, ...] = ()


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One image for one platform."""

    config: Descriptor
    layers: tuple[Descriptor, ...] = ()


class DockerManifest(msgspec.Struct, frozen=True, rename="pascal"):
    """One image in the manifest.json of `docker save`; paths are members of the archive."""

    config: str
    layers: tuple[str, ...] = ()
    repo_tags: tuple[str, ...] | None = None


class RunConfig(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """How the image wants to be run."""

    user: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    working_dir: str = ""
    stop_signal: str = ""


class RootFs(msgspec.Struct, frozen=True):
    """The digests of the layers as they are when unpacked, the lowest first."""

    diff_ids: tuple[str, ...] = ()


class ImageConfiguration(msgspec.Struct, frozen=True):
    """The configuration; its digest is the image's id."""

    architecture: str = ""
    os: str = ""
    config: RunConfig | None = None
    rootfs: RootFs = RootFs()


def read(raw: bytes, kind: type[DocumentT], what: str) -> DocumentT:
    """A document from its JSON. Raises ImageError."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ImageError(f"{what}: does not conform to the image specification: {error}") from None


def architecture(machine: str) -> str:
    """Return the images' name of the architecture that `uname -m` reports."""
    return MACHINES.get(machine, machine)


def for_platform(index: Index, desired: str, what: str) -> Descriptor:
    """Of one image for several platforms, the manifest for Linux on this architecture. Raises ImageError."""
    images = [entry for entry in index.manifests if not entry.is_attestation]
    for entry in images:
        if entry.platform is not None and (entry.platform.os, entry.platform.architecture) == ("linux", desired):
            return entry
    if len(images) == 1 and images[0].platform is None:
        return images[0]  # its configuration has the platform
    raise ImageError(f"{what}: has no image for linux/{desired}, only for {_platforms(images)}")


def _platforms(entries: Iterable[Descriptor]) -> str:
    return ", ".join(str(entry.platform or "an unnamed platform") for entry in entries) or "nothing"


def check_platform(configuration: ImageConfiguration, desired: str, what: str) -> None:
    """Raises ImageError where the image is for another machine; one without an architecture is accepted."""
    found = Platform(configuration.architecture or desired, configuration.os or "linux")
    if (found.os, found.architecture) != ("linux", desired):
        raise ImageError(
            f"{what}: is for {found}, and this machine is linux/{desired}; save the image of this platform"
            f" ('docker pull --platform linux/{desired}', then 'docker save')"
        )
