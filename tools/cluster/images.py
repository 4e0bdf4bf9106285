"""Images for a cluster's nodes, imported into containerd as `ctr` does it."""

from __future__ import annotations

from pathlib import Path

from tools.cluster import enter
from tools.cluster.layout import Layout
from tools.cluster.programs import PAUSE, Programs
from tools.conformance import cache
from tools.conformance.archive import File, Image, Settings, write

PAUSE_IMAGE = "localhost/podwire-cluster-pause:1"
"""What holds each pod's namespaces."""


def pause(program: Path) -> Path:
    """The archive of the image with our own `pause`."""
    image = Image(
        (PAUSE_IMAGE,), Settings(entrypoint=(f"/{PAUSE.name}",)), files=(File(f"/{PAUSE.name}", program, 0o755),)
    )
    made = cache.product(
        "image-cluster-pause", cache.key(str(program), PAUSE_IMAGE), lambda folder: write(image, folder / "image.tar")
    )
    return made / "image.tar"


def load(layout: Layout, programs: Programs, archive: Path) -> None:
    """Import an archive, of OCI or of Docker, on each node. Raises CalledProcessError."""
    for host in layout.hosts:
        if host.is_node:
            load_on(layout, host.name, programs, archive)


def load_on(layout: Layout, host: str, programs: Programs, archive: Path) -> None:
    """Import an archive on one node. It must lie where the nodes see it: not below /etc, /opt, /run or /var."""
    enter.run(layout, host, str(programs["ctr"]), "--namespace=k8s.io", "images", "import", "--local", str(archive))
