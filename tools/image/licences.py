"""Names of licences as authors and Debian write them, as expressions of SPDX.

Sources: spdx.org/licenses 3.27, Debian's machine-readable copyright format 1.0 (DEP-5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NAMES = {
    "apache 2.0": "Apache-2.0", "apache-2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0", "apache-2": "Apache-2.0", "artistic": "Artistic-1.0-Perl",
    "apache-2.0 and mit": "Apache-2.0 AND MIT", "apache software license": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-4-clause": "BSD-4-Clause",
    "bsl-1.0": "BSL-1.0",
    "bzip2-1.0.6": "bzip2-1.0.6", "cc0-1.0": "CC0-1.0", "expat": "MIT", "mit": "MIT", "mit license": "MIT",
    "x11": "X11", "isc": "ISC", "zlib": "Zlib", "openssl": "OpenSSL", "psf-2.0": "PSF-2.0", "psf-2": "PSF-2.0",
    "gcc runtime library": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "gfdl-1.1": "GFDL-1.1-only", "gfdl-1.3+": "GFDL-1.3-or-later", "gfdl-niv-1.3+": "GFDL-1.3-no-invariants-or-later",
    "gpl-1": "GPL-1.0-only", "gpl-1+": "GPL-1.0-or-later", "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later",
    "gpl-2.0+": "GPL-2.0-or-later", "gpl-2.0": "GPL-2.0-only", "gpl-3": "GPL-3.0-only", "gpl-3+": "GPL-3.0-or-later",
    "lgpl-2": "LGPL-2.0-only", "lgpl-2+": "LGPL-2.0-or-later", "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later", "lgpl-3": "LGPL-3.0-only", "lgpl-3+": "LGPL-3.0-or-later",
}  # fmt: skip
"""Small letters to SPDX; what is not here keeps its name as a LicenseRef."""

UNREADABLE = {
    "gcc-12-base": ("GCC Runtime Library",), "libgcc-s1": ("GCC Runtime Library",),
    "libstdc++6": ("GCC Runtime Library",),
    "libpython3.11-stdlib": ("PSF-2.0",),
    "base-files": ("GPL-2+",), "libc6": ("LGPL-2.1+", "GPL-2+"), "libcrypt1": ("LGPL-2.1+",),
    "libgcrypt20": ("LGPL-2.1+", "GPL-2+"), "libgssapi-krb5-2": ("MIT",), "libk5crypto3": ("MIT",),
    "libkrb5-3": ("MIT",), "libkrb5support0": ("MIT",), "libpython3.11-minimal": ("PSF-2.0",),
    "python3.11-minimal": ("PSF-2.0",),
}  # fmt: skip
"""What the copyright files of these Debian packages have in plain words."""

_FIELD = re.compile(r"^License: *(\S.*)$", re.MULTILINE)
_WORD = re.compile(r"\s+(?:and|or|with)\s+|\s*,\s*|\s*/\s*", re.IGNORECASE)


class LicenceTexts:
    """Licences that SPDX has no name for, which a document must list."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def reference(self, name: str) -> str:
        """The document's own name of it."""
        identifier = "LicenseRef-" + re.sub("[^A-Za-z0-9.-]+", "-", name).strip("-")
        self._found[identifier] = name
        return identifier

    def extracted(self) -> list[dict[str, str]]:
        """The list."""
        where = "The text is in usr/share/doc/PACKAGE/copyright of the image."
        return [
            {"licenseId": identifier, "name": name, "extractedText": where}
            for identifier, name in sorted(self._found.items())
        ]


def of_debian(package: str, copyright_file: str) -> tuple[str, ...]:
    """The licences that a package's copyright file names."""
    if "Format:" not in copyright_file.partition("\n\n")[0]:
        return UNREADABLE.get(package, ())
    names = (part.strip() for line in _FIELD.findall(copyright_file) for part in _WORD.split(line))
    return tuple(sorted({name for name in names if name}))


def expression(names: Iterable[str], texts: LicenceTexts) -> str:
    """All of them joined by AND: each part of a package has its own."""
    known = {NAMES.get(name.lower()) or texts.reference(name) for name in names}
    return " AND ".join(sorted(known)) or "NOASSERTION"
