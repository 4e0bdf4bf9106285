"""The images that the suite runs, built here: upstream's programs over a userland of Debian.

What is not in this list runs as podwire runs any image that it does not have: `busybox` on this machine's busybox,
`nginx` and others as stand-ins.
"""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.conformance import cache, programs, userland
from tools.conformance.archive import File, Image, Settings, write

REGISTRY = "registry.k8s.io/"
LASTING = datetime.timedelta(days=3650)

PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n"
PASSWD_OF_SUITE = "user-defined-in-image:x:1000:1000::/home/user:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
GROUP_OF_SUITE = "user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n"
"""A test of supplemental groups looks for these two (the Dockerfile of agnhost makes them)."""


def named(printed: str, image: str) -> tuple[str, ...]:
    """All names of an image among those that `e2e.test --list-images` prints, one a line, as REGISTRY/IMAGE:TAG.

    Those of registries that need credentials, or do not exist, are left out.
    """
    lines = (line.strip() for line in printed.splitlines())
    found = (line for line in lines if line.startswith(REGISTRY))
    return tuple(line for line in found if line.rpartition("/")[2].partition(":")[0] == image)


def archives(suite: Path) -> list[Path]:
    """The archives of all images, built where they are missing. Names and tags are those of the suite itself."""
    printed = subprocess.run([str(suite), "--list-images"], check=True, capture_output=True, text=True).stdout
    built = {program.name: programs.build(program) for program in programs.OF_IMAGES}
    tree = userland.tree()
    images = {
        "agnhost": agnhost(named(printed, "agnhost") + named(printed, "glibc-dns-testing"), tree, built),
        "pause": pause(named(printed, "pause"), built["agnhost"]),
        "boom-server": one_program(named(printed, "regression-issue-74839"), built["regression-issue-74839"]),
        "nonewprivs": one_program(named(printed, "nonewprivs"), built["nnp"], mode=0o4755),
        "nautilus": nautilus(named(printed, "nautilus"), built["agnhost"], programs.module_folder("k8s.io/kubernetes")),
    }
    return [_archive(name, image, [str(tree), *map(str, built.values())]) for name, image in images.items()]


def agnhost(names: tuple[str, ...], tree: Path, built: Mapping[str, Path]) -> Image:
    """The suite's main image, with what its Dockerfile puts beside the program."""
    certificate, key = localhost_certificate()
    return Image(
        names=names,
        settings=Settings(entrypoint=("/agnhost",), cmd=("pause",)),
        tree=tree,
        files=(
            File("/agnhost", built["agnhost"], 0o755),
            File("/coredns", built["coredns"], 0o755),
            File("/localhost.crt", certificate),
            File("/localhost.key", key),
            File("/etc/passwd", (PASSWD + PASSWD_OF_SUITE).encode()),
            File("/etc/group", (GROUP + GROUP_OF_SUITE).encode()),
            File("/uploads/.keep", b""),
        ),
        links=(("/agnhost-2", "agnhost"),),
    )


def pause(names: tuple[str, ...], program: Path) -> Image:
    """A program that waits for a signal: agnhost's own `pause`, since upstream's is C."""
    return Image(names, Settings(entrypoint=("/agnhost", "pause")), files=(File("/agnhost", program, 0o755),))


def nautilus(names: tuple[str, ...], program: Path, module: Path) -> Image:
    """A web server with two files, by which tests recognise it: agnhost's own, as in upstream's Dockerfile."""
    pages = module / "test/images/nautilus/html"
    served = tuple(File(f"/{page.name}", page) for page in sorted(pages.iterdir()))
    settings = Settings(entrypoint=("/agnhost",), cmd=("test-webserver",))
    return Image(names, settings, files=(File("/agnhost", program, 0o755), *served))


def one_program(names: tuple[str, ...], program: Path, mode: int = 0o755) -> Image:
    """One static program and nothing else."""
    path = f"/{program.name}"
    return Image(names, Settings(entrypoint=(path,)), files=(File(path, program, mode),))


def localhost_certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate for `localhost` and its key, as PEM: what agnhost serves HTTPS with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LASTING)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _archive(name: str, image: Image, inputs: list[str]) -> Path:
    recipes = [Path(__file__).read_bytes(), Path(__file__).with_name("archive.py").read_bytes()]
    made = cache.product(
        f"image-{name}", cache.key(*inputs, *image.names, *recipes), lambda folder: write(image, folder / "image.tar")
    )
    return made / "image.tar"
