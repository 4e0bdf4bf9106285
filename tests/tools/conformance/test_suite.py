import json
import os
import re
import stat
from pathlib import Path

import pytest
from tools.conformance.results import Line
from tools.conformance.suite import Limits, Suite, command, names, quoted, run
from tools.conformance.world import Client

LISTED = """\
The following spec names can be used with 'ginkgo run --focus/skip':
    test/e2e/network/dns.go:68: [sig-network] DNS should provide DNS for the cluster [Conformance]
    test/e2e/network/dns.go:79: [sig-network] DNS should resolve (a|b) [LinuxOnly]
    test/e2e/network/dns.go:79: [sig-network] DNS should resolve (a|b) [LinuxOnly]

"""


def suite(folder: Path, ginkgo: str = "ginkgo") -> Suite:
    return Suite(folder / ginkgo, folder / "e2e.test", folder / "kubectl", Client(folder / "kubeconfig"), 3)


def test_names_are_sorted_and_each_once() -> None:
    assert names(LISTED) == [
        "[sig-network] DNS should provide DNS for the cluster [Conformance]",
        "[sig-network] DNS should resolve (a|b) [LinuxOnly]",
    ]


def test_exactly_the_selected_tests_are_focused(tmp_path: Path) -> None:
    name = "[sig-network] DNS should resolve (a|b) [LinuxOnly]"
    call = command(suite(tmp_path), Limits(3, 60, 600), [name], tmp_path)
    (focus,) = (part.removeprefix("--focus=") for part in call if part.startswith("--focus="))
    assert re.search(focus, f"Kubernetes e2e suite {name}")
    assert not re.search(focus, f"{name} and more")
    assert not re.search(focus, "[sig-network] DNS should resolve a [LinuxOnly]")
    assert "--procs=3" in call
    assert f"--kubeconfig={tmp_path / 'kubeconfig'}" in call[call.index("--") :]


def test_names_are_quoted_for_go() -> None:
    assert quoted("a.b (c) [d] e|f") == r"a\.b \(c\) \[d\] e\|f"
    assert quoted("don't / use-this: x, y") == "don't / use-this: x, y", "Go refuses escapes that mean nothing"


@pytest.fixture
def ginkgo(tmp_path: Path) -> Path:
    """A program that behaves as ginkgo with the suite's reporter."""
    lines = "".join(json.dumps({"name": name, "state": "passed", "seconds": 1}) + r"\n" for name in ("a", "b"))
    path = tmp_path / "ginkgo"
    path.write_text(
        f"#!/bin/sh\nprintf '{lines}' >> $CONFORMANCE_RESULTS/results.jsonl\necho $CONFORMANCE_TEST_LIMIT\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_run_shows_each_end_and_returns_all(tmp_path: Path, ginkgo: Path) -> None:
    shown: list[tuple[int, str]] = []
    lines = run(
        suite(tmp_path, ginkgo.name),
        Limits(2, 90, 600),
        ["a", "b"],
        tmp_path,
        lambda n, line: shown.append((n, line.name)),
    )
    assert lines == [Line("a", "passed", 1), Line("b", "passed", 1)]
    assert shown == [(1, "a"), (2, "b")]
    assert tmp_path.joinpath("ginkgo.log").read_text() == "90s\n"


def test_ctrl_c_ends_ginkgo_and_returns_what_ended(tmp_path: Path, ginkgo: Path) -> None:
    ginkgo.write_text(ginkgo.read_text() + "echo $$ > $CONFORMANCE_RESULTS/pid\nexec sleep 600\n")

    def interrupt(count: int, _line: Line) -> None:
        if count == 2:
            raise KeyboardInterrupt

    lines = run(suite(tmp_path, ginkgo.name), Limits(2, 90, 600), ["a", "b", "c"], tmp_path, interrupt)
    assert [line.name for line in lines] == ["a", "b"]
    pid = int(tmp_path.joinpath("pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
