"""The image of the suite's pods: agnhost, under the name that its manifests have."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from tools.conformance import cache, programs, userland
from tools.conformance.archive import File, write
from tools.conformance.images import agnhost

START = b"""#!/bin/bash
# A server for SCTP ends at once where the kernel has none, and its pod would never be ready.
if [ "$1" = porter ] && env | grep -q ^SERVE_SCTP_PORT && ! grep -q ^SCTP /proc/net/protocols; then
    exec /agnhost.program pause
fi
exec /agnhost.program "$@"
"""


def archives(module: Path) -> list[Path]:
    """The archives of all images, built where they are missing. Raises what programs.build raises."""
    text = module.joinpath("conformance/base/manifests.yaml").read_text()
    names = tuple(sorted(set(re.findall(r"^\s*image: *(\S+/agnhost:\S+)\s*$", text, re.MULTILINE))))
    built = {program.name: programs.build(program) for program in programs.OF_IMAGES}
    tree = userland.tree()
    whole = agnhost(names, tree, built)
    program = File("/agnhost.program", built["agnhost"], 0o755)
    others = tuple(file for file in whole.files if file.path != "/agnhost")
    image = replace(whole, files=(File("/agnhost", START, 0o755), program, *others))
    key = cache.key(str(tree), START, *names, *map(str, built.values()))
    return [cache.product("image-policy", key, lambda folder: write(image, folder / "image.tar")) / "image.tar"]
