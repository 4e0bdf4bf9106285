"""Kubernetes' own sig-network tests against a real cluster. They run on the host `outside`, which reaches all nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import images
from tools.cluster.layout import OUTSIDE, Layout
from tools.cluster.record import Record
from tools.cluster.start import REPOSITORY
from tools.conformance import cache, page, programs, records, runs, suite, tables
from tools.conformance import images as suite_images
from tools.conformance.archive import File, Image, Settings, write
from tools.conformance.results import Result, judge
from tools.conformance.selection import Selection
from tools.conformance.world import Client

NETWORK = "[sig-network]"
KNOWN = REPOSITORY / "conformance" / "tests-cluster.toml"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: what was run and how each test ended."""

    record: records.Record
    results: list[Result]
    folder: Path

    @property
    def has_surprise(self) -> bool:
        """Whether a test failed that should pass, or the other way round."""
        return any(result.is_surprise for result in self.results)


def run(record: Record, selection: Selection, limits: suite.Limits) -> Run:
    """Run the selected tests of sig-network; the images that they need are imported first.

    Raises what programs.build and images.load raise.
    """
    layout = record.layout
    tests = programs.build(programs.SUITE)
    known = tables.load(KNOWN)
    names = [name for name in selection.of(suite.listed(tests)) if name.startswith(NETWORK)]
    selected = [name for name in names if known.runs(name)]
    import_images(record, archives(tests))
    folder = runs.new_folder(f"cluster-{layout.name}")
    begun = records.begin(folder, f"at most {limits.test:.0f} s a test, {limits.processes} tests at the same time")
    runs.say(f"{len(selected)} of {len(names)} tests to run; logs in {folder}")
    lines = runs.run(client(layout), layout.nodes, limits, selected, folder) if selected else []
    results = judge(names, lines, known)
    folder.joinpath("report.md").write_text(page.part(results))
    return Run(begun, results, folder)


def client(layout: Layout) -> Client:
    """How the suite reaches the cluster."""
    prefix = (sys.executable, "-m", "tools.cluster", "exec", "--name", layout.name, OUTSIDE, "--")
    return Client(layout.inner_kubeconfig, prefix, {"PYTHONPATH": str(REPOSITORY), "HOME": os.environ.get("HOME", "/")})


def import_images(record: Record, archives: list[Path]) -> None:
    """Import the archives that were not imported on this cluster before: a file of its folder remembers them."""
    done = record.layout.folder / "imported"
    known = done.read_text().splitlines() if done.exists() else []
    for archive in archives:
        if str(archive) not in known:
            images.load(record.layout, record.built, archive)
            with done.open("a") as file:
                file.write(f"{archive}\n")


def nginx(names: tuple[str, ...], agnhost: Path) -> Image:
    """A web server under the suite's names of nginx: agnhost's own. A lab runs a stand-in for it."""
    settings = Settings(entrypoint=("/agnhost",), cmd=("netexec", "--http-port=80"))
    return Image(names, settings, files=(File("/agnhost", agnhost, 0o755),))


def archives(tests: Path) -> list[Path]:
    """All images that the suite runs, built where they are missing. Raises what programs.build raises."""
    printed = subprocess.run([str(tests), "--list-images"], check=True, capture_output=True, text=True).stdout
    names, agnhost = suite_images.named(printed, "nginx"), programs.build(programs.AGNHOST)
    key = cache.key(str(agnhost), *names)
    served = cache.product(
        "image-cluster-nginx", key, lambda folder: write(nginx(names, agnhost), folder / "image.tar")
    )
    return [*suite_images.archives(tests), served / "image.tar"]
