"""Build podwire's container images: OCI archives and their SBOMs in dist/, without Docker and without root.

`python -m tools.image` builds both, or one with --only, from the locks in tools/image; `python -m tools.image lock`
renews the locks from what apt's and pip's sources have now.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from pathlib import Path

from podwire import __version__
from tools.image import build, debian, lock
from tools.image.lock import ARCHITECTURES, ImageError
from tools.image.variants import PACKAGES, VARIANTS, Variant
from tools.image.wheels import TOP


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.image", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", nargs="?", choices=("build", "lock"), default="build")
    parser.add_argument("--only", choices=tuple(VARIANTS), help="one of the images (both)")
    parser.add_argument(
        "--machine",
        choices=tuple(ARCHITECTURES),
        default=platform.machine(),
        help="what it runs on (this machine's kind)",
    )
    parser.add_argument("--output", type=Path, default=TOP / "dist", metavar="FOLDER", help="(dist)")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Returns the exit status."""
    chosen = arguments(argv)
    try:
        if chosen.action == "lock":
            renew()
        else:
            for name in (chosen.only,) if chosen.only else VARIANTS:
                write(VARIANTS[name], chosen.machine, chosen.output)
    except ImageError as error:
        print(f"no image: {error}", file=sys.stderr)
        return 1
    return 0


def write(variant: Variant, machine: str, folder: Path) -> None:
    """Build, write, and report."""
    image = build.assemble(build.gather(variant, machine))
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{variant.name}-{__version__}-{machine}"
    target = folder / f"{stem}.oci.tar"
    for path, content in ((target, image.archive), (folder / f"{stem}.spdx.json", image.bill)):
        making = path.with_name(f".{path.name}")
        making.write_bytes(content)
        making.replace(path)
    for name, size in image.layers:
        print(f"{size / 1e6:7.1f} MB  {name}")
    print(f"{len(image.archive) / 1e6:7.1f} MB  {target} (compressed), {image.digest}")


def renew() -> None:
    """Write the locks again."""
    apts = {each: debian.Apt(build.FOLDER / f"apt-{each}", each) for each in ARCHITECTURES.values()}
    release = next(line for line in Path("/etc/os-release").read_text().splitlines() if line.startswith("PRETTY_NAME="))
    debian.resolve(release.partition("=")[2].strip('"'), apts, PACKAGES).write()
    compile_lock = [
        str(Path(sys.prefix) / "bin/uv"),
        "pip",
        "compile",
        "-q",
        "--universal",
        "--generate-hashes",
        "--no-header",
    ]
    for source, target in (
        ([str(lock.FOLDER / "python.in"), "-c", "requirements.lock"], lock.PYTHON),
        ([str(lock.FOLDER / "python-gateway.in"), "-c", "requirements.lock"], lock.PYTHON_GATEWAY),
        ([str(lock.FOLDER / "compiler.in")], lock.COMPILER),
    ):
        command = [*compile_lock, "--python-version", "3.11", *source, "-o", str(target)]
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ImageError(f"{target.name}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
