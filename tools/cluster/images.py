"""Images for a cluster's nodes, imported into containerd as `ctr` does it."""

from __future__ import annotations

from pathlib import Path

from tools.cluster import enter
from tools.cluster.layout import Layout
from tools.cluster.programs import CALLER, PAUSE, Programs
from tools.conformance import cache
from tools.conformance.archive import File, Image, Settings, write

PAUSE_IMAGE = "localhost/podwire-cluster-pause:1"
"""What holds each pod's namespaces."""
CALLER_IMAGE = "localhost/podwire-cluster-caller:1"


def pause(programs: Programs) -> Path:
    """The archive of the image with our own `pause`."""
    return _one_program(PAUSE_IMAGE, programs[PAUSE.name])


def caller(programs: Programs) -> Path:
    """The archive of the image whose pods connect to an address as soon as they run."""
    return _one_program(CALLER_IMAGE, programs[CALLER.name])


def _one_program(name: str, program: Path) -> Path:
    path = f"/{program.name}"
    image = Image((name,), Settings(entrypoint=(path,)), files=(File(path, program, 0o755),))
    key = cache.key(str(program), name)
    made = cache.product(f"image-cluster-{program.name}", key, lambda folder: write(image, folder / "image.tar"))
    return made / "image.tar"


def load(layout: Layout, programs: Programs, archive: Path) -> None:
    """Import an archive, of OCI or of Docker, on each node. Raises CalledProcessError."""
    for host in layout.hosts:
        if host.is_node:
            load_on(layout, host.name, programs, archive)


def load_on(layout: Layout, host: str, programs: Programs, archive: Path) -> None:
    """Import an archive on one node. It must lie where the nodes see it: not below /etc, /opt, /run or /var."""
    enter.run(layout, host, str(programs["ctr"]), "--namespace=k8s.io", "images", "import", "--local", str(archive))
