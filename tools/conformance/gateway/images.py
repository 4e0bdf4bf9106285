"""The images that the suite's manifests name, built from published modules under these names.

echo-basic is the suite's own server, a program of its module; CoreDNS has the plugins of the suite's Corefile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tools.conformance import cache, programs
from tools.conformance.archive import File, Image, Settings, write

MODULE = "sigs.k8s.io/gateway-api/conformance"
ECHO = programs.Program("echo-basic", f"{MODULE}/echo-basic", module="gateway")
CLIENT = programs.Program("echo-advanced", "./echo-advanced", module="gateway")
"""A stand-in: upstream's is an image of Istio's, which is published as an image alone."""
NOBODY = "65532:65532"
"""The user of upstream's base image (gcr.io/distroless/static:nonroot)."""


def named(manifests: Iterable[str], image: str) -> tuple[str, ...]:
    """All names of an image in these manifests, sorted: REGISTRY/IMAGE:TAG."""
    found = (name for text in manifests for name in re.findall(r"^\s*image: *(\S+)\s*$", text, re.MULTILINE))
    return tuple(sorted({name for name in found if name.rpartition("/")[2].partition(":")[0] == image}))


def archives() -> list[Path]:
    """The archives of all images, built where they are missing. Raises what programs.build raises."""
    source = programs.module_folder(MODULE, "gateway")
    manifests = [path.read_text() for path in sorted(source.rglob("*.yaml"))]
    echo, coredns = programs.build(ECHO), programs.build(programs.COREDNS)
    return [
        _archive(one_program(named(manifests, "echo-basic"), echo, NOBODY), echo),
        _archive(one_program(named(manifests, "coredns"), coredns), coredns),
    ]


def of_mesh() -> list[Path]:
    """The archives of the images of a mesh's tests; the program is a client too, by its other name."""
    source = programs.module_folder(MODULE, "gateway")
    manifests = [path.read_text() for path in sorted(source.rglob("*.yaml"))]
    program = programs.build(CLIENT)
    path = f"/{program.name}"
    files = (File(path, program, 0o755), File("/usr/local/bin/client", program, 0o755))
    return [_archive(Image(named(manifests, program.name), Settings(entrypoint=(path,)), files=files), program)]


def one_program(names: tuple[str, ...], program: Path, user: str = "") -> Image:
    """One static program, its entry point."""
    path = f"/{program.name}"
    return Image(names, Settings(entrypoint=(path,), user=user), files=(File(path, program, 0o755),))


def _archive(image: Image, program: Path) -> Path:
    recipes = [Path(__file__).read_bytes(), Path(write.__code__.co_filename).read_bytes()]
    key = cache.key(str(program), *image.names, *recipes)
    made = cache.product(f"image-gateway-{program.name}", key, lambda folder: write(image, folder / "image.tar"))
    return made / "image.tar"
