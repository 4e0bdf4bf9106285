"""The suite's programs, built from published Go modules as conformance/go.mod and go.sum pin them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.conformance import cache

MODULE = Path(__file__).resolve().parents[2] / "conformance"
USUAL_GO = "/usr/local/go/bin/go"  # where the archive of go.dev is unpacked, often without being on PATH
VERSIONED = ("k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion")


class MissingGoError(Exception):
    """There is no Go that can build the suite. The text says what to install."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: its file name, the package it is built from, the folder of its module below conformance/.

    `tags` are build tags, `variables` what the linker sets, as `PACKAGE.NAME=VALUE`. `replaced`: a text in a required
    module: the module, the path of the file, the text, what it is built with instead.
    """

    name: str
    package: str
    module: str = "."
    is_test: bool = False
    tags: str = ""
    variables: tuple[str, ...] = ()
    replaced: tuple[str, str, str, str] | None = None


SUITE = Program("e2e.test", ".", is_test=True)
GINKGO = Program("ginkgo", "github.com/onsi/ginkgo/v2/ginkgo")
AGNHOST = Program("agnhost", "k8s.io/kubernetes/test/images/agnhost")
BOOM_SERVER = Program("regression-issue-74839", "k8s.io/kubernetes/test/images/regression-issue-74839")
NO_NEW_PRIVILEGES = Program("nnp", "k8s.io/kubernetes/test/images/nonewprivs")
KUBE_PROXY = Program("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy")
COREDNS = Program("coredns", ".", module="coredns")
CLUSTER_DNS = Program("cluster-dns", ".", module="cluster-dns")
"""CoreDNS with the plugin kubernetes, which podwire's DNS is compared with."""
NETPOL_ANALYZER = Program(
    "netpol-analyzer", "github.com/np-guard/netpol-analyzer/cmd/netpolicy", module="netpol-analyzer"
)
"""np-guard's analysis of manifests, which `podwire reach` is measured beside and compared with."""
OF_IMAGES = (AGNHOST, COREDNS, BOOM_SERVER, NO_NEW_PRIVILEGES)


def go() -> str:
    """The path of Go: on PATH, else where its archive is usually unpacked. Raises MissingGoError."""
    found = shutil.which("go") or (USUAL_GO if os.access(USUAL_GO, os.X_OK) else None)
    if found is None:
        raise MissingGoError(
            f"Go {required_go()} or newer is needed to build Kubernetes' e2e suite, and there is no `go` on PATH "
            f"nor {USUAL_GO}: unpack the archive of https://go.dev/dl there, or `apt-get install golang-go` (a Go "
            "from 1.21 fetches the newer one by itself)"
        )
    return found


def required_go() -> str:
    """The version that go.mod names."""
    found = re.search(r"^go (\S+)$", MODULE.joinpath("go.mod").read_text(), re.MULTILINE)
    assert found is not None, "a go.mod names its language version"
    return found[1]


def release() -> str:
    """The release of Kubernetes that go.mod requires, as v1.37.2."""
    return required("k8s.io/kubernetes")


def required(module: str, folder: str = ".") -> str:
    """The version of a module that a go.mod below conformance/ requires."""
    text = MODULE.joinpath(folder, "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (\S+)", text, re.MULTILINE)
    assert found is not None, f"conformance/{folder}/go.mod requires {module}"
    return found[1]


def build(program: Program) -> Path:
    """The built program; the first build takes minutes. Raises CalledProcessError, MissingGoError."""
    tool = go()

    def make(folder: Path) -> None:
        call = [*command(tool, program, folder)[:-1], *_changed_module(program, folder), program.package]
        subprocess.run(call, check=True, cwd=MODULE / program.module, env=environment())
        shutil.rmtree(folder / "module", ignore_errors=True)

    return cache.product(program.name, _key(tool, program), make) / program.name


def _changed_module(program: Program, folder: Path) -> list[str]:
    """The flag by which Go builds with a copy of a module that has another text; raises ValueError without the text."""
    if program.replaced is None:
        return []
    module, path, old, new = program.replaced
    copied = shutil.copytree(module_folder(module, program.module), folder / "module", copy_function=shutil.copyfile)
    for parent in (copied, *copied.rglob("*")):
        parent.chmod(0o755 if parent.is_dir() else 0o644)
    text = (copied / path).read_text()
    if text.count(old) != 1:
        raise ValueError(f"{module} {path} has {old!r} {text.count(old)} times, not once")
    (copied / path).write_text(text.replace(old, new))
    own = MODULE / program.module
    folder.joinpath("go.mod").write_text(f"{own.joinpath('go.mod').read_text()}\nreplace {module} => {copied}\n")
    shutil.copyfile(own / "go.sum", folder / "go.sum")
    return ["-modfile", str(folder / "go.mod")]


def command(tool: str, program: Program, folder: Path) -> list[str]:
    """How Go is called: static, without paths of this machine, at low priority."""
    verb = ["test", "-c", "-vet=off"] if program.is_test else ["build"]
    flags = ["-trimpath", "-ldflags", linker_flags(program.variables), "-o", str(folder / program.name)]
    if program.tags:
        flags += ["-tags", program.tags]
    return ["nice", "-n", "19", tool, *verb, *flags, program.package]


def linker_flags(variables: Iterable[str] = ()) -> str:
    """No symbol tables; the release, which clients parse; the program's own variables."""
    released = (f"{name}={release()}" for name in VERSIONED)
    return " ".join(["-s -w", *(f"-X {setting}" for setting in (*released, *variables))])


def environment() -> dict[str, str]:
    """The environment of Go: no C, and no change of go.mod or go.sum."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def module_folder(path: str, folder: str = ".") -> Path:
    """The source folder of a module that a go.mod below conformance/ requires. Raises CalledProcessError."""
    found = subprocess.run(
        [go(), "mod", "download", "-json", f"{path}@{required(path, folder)}"],
        check=True, capture_output=True, text=True, cwd=MODULE / folder, env=environment(),
    )  # fmt: skip
    directory = re.search(r'"Dir": "([^"]+)"', found.stdout)
    assert directory is not None, "go mod download says where a module is"
    return Path(directory[1])


def _key(tool: str, program: Program) -> str:
    folder = MODULE / program.module
    sources = [folder / "go.mod", folder / "go.sum"]
    if program.package.startswith("."):
        sources += sorted(folder.joinpath(program.package).glob("*.go"))
    changes = "\0".join(program.replaced or ())
    version = subprocess.run([tool, "version"], check=True, capture_output=True, text=True).stdout
    given = [*command("go", program, Path()), *([changes] if changes else [])]
    return cache.key(version, *given, *(path.read_bytes() for path in sources))
