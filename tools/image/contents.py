"""What the images hold of which Debian package, and the few files of their own."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

NAME = "podwire"
ROOT = "opt/podwire"
"""A Python environment: podwire, its dependencies, its programs."""
SITE_PACKAGES = f"{ROOT}/lib/python3.11/site-packages"
PLUGIN = f"{ROOT}/bin/podwire-cni"
PYTHON = "usr/bin/python3.11"
PYTHON_VERSION = (3, 11)

LIBRARIES = "usr/lib/*/*.so*"
BASE: dict[str, tuple[str, ...]] = {
    "base-files": ("etc/os-release", "etc/debian_version", "usr/lib/os-release"),
    "libc6": ("usr/lib*/ld-linux-*.so*", "usr/lib/*/ld-linux-*.so*", *(
        f"usr/lib/*/{name}.so.*" for name in (
            "libc", "libdl", "libm", "libpthread", "libresolv", "librt", "libutil", "libnss_dns", "libnss_files"
        )
    )),
    "python3.11-minimal": (PYTHON,),
    "libpython3.11-minimal": ("usr/lib/python3.11/*",),
    "libpython3.11-stdlib": ("usr/lib/python3.11/*",),
    # of Python's modules
    "libbz2-1.0": (LIBRARIES,), "libcrypt1": (LIBRARIES,), "libexpat1": (LIBRARIES,), "libffi8": (LIBRARIES,),
    "liblzma5": (LIBRARIES,), "libsqlite3-0": (LIBRARIES,), "libssl3": (LIBRARIES,), "libuuid1": (LIBRARIES,),
    "zlib1g": (LIBRARIES,), "libgcc-s1": (LIBRARIES,), "gcc-12-base": (),
}  # fmt: skip
"""Debian packages of every image, and patterns of the files that are taken; each one's copyright file comes with it."""

NODE: dict[str, tuple[str, ...]] = {
    # the kernel's rules
    "libnftables1": (LIBRARIES,), "libnftnl11": (LIBRARIES,), "libmnl0": (LIBRARIES,), "libgmp10": (LIBRARIES,),
    "libjansson4": (LIBRARIES,), "libxtables12": (LIBRARIES,),
    # BGP: bird, and setpriv to start it with one capability
    "bird2": ("usr/sbin/bird", "usr/sbin/birdc"),
    "libcom-err2": (LIBRARIES,), "libgcrypt20": (LIBRARIES,), "libgpg-error0": (LIBRARIES,),
    "libgssapi-krb5-2": (LIBRARIES,), "libk5crypto3": (LIBRARIES,), "libkeyutils1": (LIBRARIES,),
    "libkrb5-3": ("usr/lib/*/libkrb5.so.*",), "libkrb5support0": (LIBRARIES,), "libreadline8": (LIBRARIES,),
    "libssh-gcrypt-4": (LIBRARIES,), "libtinfo6": (LIBRARIES,),
    "util-linux": ("usr/bin/setpriv",), "libcap-ng0": (LIBRARIES,),
    # the removal of kube-proxy's leftovers
    "iptables": ("usr/sbin/*tables*", "usr/lib/*/xtables/*"),
    "libip4tc2": (LIBRARIES,), "libip6tc2": (LIBRARIES,), "libnetfilter-conntrack3": (LIBRARIES,),
    "libnfnetlink0": (LIBRARIES,), "netbase": ("etc/protocols", "etc/services"),
}  # fmt: skip
"""Those of the image that nodes need."""

GATEWAY: dict[str, tuple[str, ...]] = {"libstdc++6": (LIBRARIES,)}
"""Those of the image of gateways: of gRPC's compiled modules."""

LEFT_OUT = (
    # modules of Python for desktops, terminals, packagers, tests and old encodings, or whose library is not here
    *(f"usr/lib/python3.11/{name}/*" for name in (
        "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo",
        "unittest", "venv", "wsgiref", "xmlrpc", "config-*", "__phello__",
    )),
    *(f"usr/lib/python3.11/{name}.py" for name in ("turtle", "pydoc", "doctest", "imaplib", "smtpd", "nntplib")),
    *(f"usr/lib/python3.11/lib-dynload/{name}.*.so" for name in (
        "_codecs_*", "_crypt", "_curses*", "_dbm", "_gdbm", "_test*", "_xx*", "audioop", "nis", "ossaudiodev",
        "readline", "_tkinter", "xxlimited*",
    )),
    *(f"usr/lib/python3.11/encodings/{name}.py" for name in (
        "big5*", "cp[0-35-9]*", "euc_*", "gb*", "hp_*", "hz", "iso2022*", "iso8859_[2-9]", "iso8859_1?", "johab",
        "koi8*", "kz*", "mac_*", "palmos", "ptcp*", "shift_*", "tis_*",
    )),
    "usr/lib/*/xtables/libarpt_*", "usr/lib/*/xtables/libebt_*", "usr/sbin/arptables*", "usr/sbin/ebtables*",
    "usr/sbin/*-translate", "usr/sbin/iptables-apply", "usr/sbin/nfnl_osf",
)  # fmt: skip

SITE_LEFT_OUT = (
    *("*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "*.hash", "*/tests/*", "*/py.typed", "*/RECORD", "*/INSTALLER"),
    "frozenlist/_frozenlist.*.so",
)
"""Of Python packages: sources of compiled modules, hints for type checkers, tests; and a module that alone would need
libstdc++, whose form in Python takes its place."""

LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
"""Debian's merged /usr: a package may name either path."""

USERS = (("root", 0, "/root"), ("bird", 101, "/nonexistent"), ("nobody", 65534, "/nonexistent"))
"""bird runs BGP; the names of all other users are of no use here."""

ENVIRONMENT = ("PATH=/opt/podwire/bin:/usr/sbin:/usr/bin", "PYTHONUTF8=1", "PYTHONDONTWRITEBYTECODE=1")

LAUNCHER = """\
#!/opt/podwire/bin/python -I
import sys

from podwire.cli import main

sys.exit(main())
"""


def own_files() -> Iterator[tuple[str, str, int]]:
    """Path, content and mode of each file that is no package's and not podwire's."""
    yield "etc/passwd", "".join(f"{name}:x:{uid}:{uid}::{home}:/sbin/nologin\n" for name, uid, home in USERS), 0o644
    yield "etc/group", "".join(f"{name}:x:{uid}:\n" for name, uid, _ in USERS), 0o644
    yield "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", 0o644
    yield f"{ROOT}/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n", 0o644
    yield f"{ROOT}/bin/podwire", LAUNCHER, 0o755


def merged(path: str) -> str:
    """A package's path without `./`, below the merged /usr."""
    path = path.removeprefix("./").lstrip("/")
    top, _, rest = path.partition("/")
    return f"{LINKS[top]}/{rest}" if top in LINKS and rest else path


def is_taken(package: str, path: str, patterns: Iterable[str]) -> bool:
    """Whether a file of a package (a merged path) belongs into an image that takes these files of it."""
    if path in {f"usr/share/doc/{package}/copyright", f"usr/share/doc/{package}"}:
        return True  # the folder may be a link to that of a package of the same source
    taken = any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
    return taken and not any(fnmatch.fnmatchcase(path, pattern) for pattern in LEFT_OUT)


def is_taken_from_wheel(path: str) -> bool:
    """Whether a file of a Python package belongs into the image."""
    return not any(fnmatch.fnmatchcase(path, pattern) for pattern in SITE_LEFT_OUT)
