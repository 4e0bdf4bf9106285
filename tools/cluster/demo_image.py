"""The image that the shop's pods run on the cluster, under the names that its manifests have.

There is no registry to pull nginx or postgres from. The image answers on every port of the shop who it is, whatever
pod it runs in: so a connection that a policy denies would always find a server.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tools.cluster import pods
from tools.conformance import cache, userland
from tools.conformance.archive import File, Image, Settings, write

NAME = "localhost/podwire-cluster-demo:1"
"""Its own name, for what the proof runs beside the shop."""
PACKAGES = ("base-passwd", "coreutils", "dash", "libc-bin", "netbase", "python3")
PYTHON = "/usr/bin/python3"
SERVER, CLIENT = "/server.py", "/client.py"


def archive(manifests: Iterable[Path]) -> Path:
    """The archive of the image, built if it is missing. Raises userland.MissingAptError, CalledProcessError."""
    containers = [found for path in sorted(manifests) for found in containers_of(path.read_text())]
    names = (NAME, *sorted({full_name(container["image"]) for container in containers}))
    ports = sorted({port["containerPort"] for container in containers for port in container.get("ports", ())})
    tree = userland.tree("userland-python", PACKAGES)
    programs = Path(pods.__file__).parent
    image = Image(
        names,
        Settings(entrypoint=(PYTHON, SERVER), cmd=tuple(map(str, ports))),
        tree=tree,
        files=(
            File(SERVER, programs / "server.py"),
            File(CLIENT, programs / "client.py"),
            File("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
        ),
    )
    inputs = [file.source.read_bytes() for file in image.files if isinstance(file.source, Path)]
    key = cache.key(str(tree), *names, *map(str, ports), *inputs)
    return cache.product("image-cluster-demo", key, lambda folder: write(image, folder / "image.tar")) / "image.tar"


def containers_of(manifest: str) -> list[dict[str, Any]]:
    """The containers of all workloads of a manifest."""
    documents = [document for document in yaml.safe_load_all(manifest) if document]
    templates = [document["spec"]["template"] for document in documents if "template" in document.get("spec", {})]
    return [container for template in templates for container in template["spec"]["containers"]]


def full_name(image: str) -> str:
    """The name by which a runtime keeps it: `nginx:1.29` is `docker.io/library/nginx:1.29`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"
