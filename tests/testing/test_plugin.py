"""The plugin in runs of pytest of its own: scopes, workers, failures, and that nothing is left of a world."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from podwire.lab.base.proc_stat import start_time
from podwire.testing import eventually
from podwire.testing.folders import MARK, sweep

WRITES = """
def note(world):
    with open("{notes}", "a") as file:
        file.write(f"{{world.name}} {{world.pid}} {{world.home.folder}}\\n")

def test_one(world): note(world)
def test_two(world): note(world)
"""


@pytest.fixture(autouse=True)
def _own_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pytest-xdist sets for the process of these tests is not meant for the runs inside them."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


@pytest.fixture
def notes(pytester: pytest.Pytester) -> Path:
    return pytester.path / "notes"


def noted(notes: Path) -> list[tuple[str, int, Path]]:
    """The worlds that tests have written down: name, first process, folder."""
    lines = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
    return [(name, int(pid), Path(folder)) for name, pid, folder in lines]


def gone(pid: int) -> bool:
    return start_time(pid) is None


@pytest.mark.proves("plugin-scopes")
@pytest.mark.parametrize(("scope", "count"), [("session", 1), pytest.param("function", 2, marks=pytest.mark.long)])
def test_a_world_lives_as_long_as_its_scope_and_leaves_nothing(
    pytester: pytest.Pytester, notes: Path, scope: str, count: int
) -> None:
    pytester.makepyfile(WRITES.format(notes=notes))
    pytester.runpytest_subprocess(f"--podwire-scope={scope}").assert_outcomes(passed=2)
    seen = noted(notes)
    assert len({pid for _, pid, _ in seen}) == count
    assert {name for name, _, _ in seen} == {"test"}
    assert all(gone(pid) and not folder.exists() for _, pid, folder in seen)


@pytest.mark.long
def test_settings_of_the_configuration_file_count(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\npodwire_nodes = 2\npodwire_overlay = vxlan\npodwire_scope = function\n")
    pytester.makepyfile(
        """
        def test_shape(world):
            assert world.kubectl("get", "nodes", "-o", "name").stdout.count("node/") == 2
            assert world.run_in("node-1", "ip", "link", "show", "type", "vxlan").stdout
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    pytester.makeini("[pytest]\npodwire_scope = week\n")
    pytester.runpytest_subprocess().stderr.fnmatch_lines(["*podwire_scope = week: choose one of session, *"])


@pytest.mark.long
@pytest.mark.proves("plugin-parallel")
def test_workers_have_worlds_of_their_own(pytester: pytest.Pytester, notes: Path) -> None:
    pytester.makepyfile(test_a=WRITES.format(notes=notes), test_b=WRITES.format(notes=notes))
    pytester.runpytest_subprocess("-n2", "--dist=loadfile").assert_outcomes(passed=4)
    seen = noted(notes)
    assert {name for name, _, _ in seen} == {"test-gw0", "test-gw1"}
    assert len({(pid, folder) for _, pid, folder in seen}) == 2
    assert all(gone(pid) for _, pid, _ in seen)


FAILS = """
from podwire.testing import eventually

POD = '''
apiVersion: v1
kind: Pod
metadata: {{name: broken}}
spec: {{containers: [{{name: c, image: busybox, command: [no-such-program]}}]}}
'''

def test_that_fails(namespace):
    with open("{notes}", "w") as file:
        file.write(f"{{namespace.world.name}} {{namespace.world.pid}} {{namespace.world.home.folder}}\\n")
    namespace.apply(POD)
    backed_off = "jsonpath={{.status.containerStatuses[0].state.waiting.reason}}=CrashLoopBackOff"
    namespace.kubectl.wait("pod/broken", backed_off)
    namespace.wait(timeout=1)

def test_without_a_world_that_fails():
    assert False
"""


@pytest.mark.proves("plugin-report")
@pytest.mark.long
def test_a_failure_shows_what_is_wrong_in_the_world(pytester: pytest.Pytester, notes: Path) -> None:
    pytester.makepyfile(FAILS.format(notes=notes))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E *everything is ready in that-fails-*",
            "*- podwire world test -*",
            "Not ready:",
            "  pod that-fails-*/broken: Running container c: waiting *no-such-program*",
            "Last events:",
            "  *Warning Failed pod that-fails-*/broken: *",
        ]
    )
    text = result.stdout.str()
    assert text.count("podwire world test") == 1, "a test that used no world got a section"
    assert "waiting.py" not in text, "the plugin's own frames are shown"
    ((_, pid, folder),) = noted(notes)
    assert gone(pid)
    assert not folder.exists()


MISTAKES = """
def test_no_such_workload(world): assert world.allowed("deploy/nosuch", "kube-dns.kube-system:53")
def test_no_port(world): assert world.denied("node-1", "kube-dns.kube-system")
def test_no_such_target(namespace): namespace.run_in("a/b/c/d", "true")
def test_no_such_manifest(world): world.apply("nosuch.yaml")
"""


@pytest.mark.long
def test_a_mistake_in_a_test_shows_its_own_line_and_the_message_only(pytester: pytest.Pytester) -> None:
    written = pytester.makepyfile(MISTAKES)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            'E *deployments.apps "nosuch" not found',
            "E *'kube-dns.kube-system': write HOST:PORT*",
            "E *'a/b/c/d': write POD, *",
            "E *nosuch.yaml*",
        ]
    )
    places = [line for line in result.stdout.lines if re.match(r"\S+\.py:\d+: ", line)]
    assert len(places) == 4
    assert all(line.startswith(f"{written.name}:") for line in places), f"frames of podwire are shown: {places}"
    assert "coredns" not in result.stdout.str(), "how the world started is reported as if it were a fault"


@pytest.mark.long
def test_a_world_in_which_a_test_failed_can_be_kept(pytester: pytest.Pytester, notes: Path) -> None:
    pytester.makepyfile(test_a=FAILS.format(notes=notes), test_b=WRITES.format(notes=pytester.path / "well"))
    result = pytester.runpytest_subprocess("--podwire-keep", "--podwire-scope=module")
    ((name, pid, folder),) = noted(notes)
    try:
        assert not gone(pid)
        result.stdout.fnmatch_lines([f"It stays. Look at it:  export PODWIRE_STATE={folder}/state KUBECONFIG=*"])
        assert gone(noted(pytester.path / "well")[0][1]), "a world in which all went well was kept"
        assert not (folder / MARK).exists(), "the next start of the plugin sweeps it away"
        kubectl = [
            str(Path(sys.executable).parent / "kubectl"),
            f"--kubeconfig={folder}/state/worlds/{name}/kubeconfig",
            "get",
            "pods",
            "-A",
        ]
        pods = subprocess.run(kubectl, capture_output=True, text=True, check=True).stdout
        assert "broken" in pods, "the namespace of the failed test is gone"
    finally:
        environment = {**os.environ, "PODWIRE_STATE": f"{folder}/state", "KUBECONFIG": f"{folder}/kubeconfig"}
        down = [sys.executable, "-m", "podwire", "down", "--name", name]
        subprocess.run(down, env=environment, check=True, capture_output=True)
        shutil.rmtree(folder)
    assert gone(pid)


def test_a_host_that_forbids_worlds_is_an_error_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(world): pass\ndef test_two(world): pass\ndef test_none(): pass\n")
    forbid = f"echo 0 > /proc/sys/user/max_user_namespaces && exec {sys.executable} -m pytest -p no:cacheprovider"
    result = pytester.run("unshare", "-Ur", "sh", "-c", forbid)
    result.assert_outcomes(errors=2, passed=1)
    result.stdout.fnmatch_lines(["podwire could not start a world: *user.max_user_namespaces*"])
    assert "Traceback" not in result.stdout.str()
    assert "During handling" not in result.stdout.str()


def test_a_missing_client_is_reported_with_the_remedy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def client_is_missing(monkeypatch):
            monkeypatch.setattr("podwire.testing.plugin.find_spec", lambda name: None)
            monkeypatch.setattr("podwire.testing.plugin.start", None)  # no world is started for it

        def test_client(client_is_missing, client):
            pass
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install podwire?testing?*"])


HANGS = """
import threading

def test_that_hangs(world):
    with open("{notes}", "a") as file:
        file.write(f"{{world.name}} {{world.pid}} {{world.home.folder}}\\n")
    threading.Event().wait(60)
"""

PYTEST = ("env", "--default-signal=INT", sys.executable, "-m", "pytest", "-p", "no:cacheprovider")


@pytest.mark.long
@pytest.mark.proves("plugin-leaves-nothing")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_world_outlives_its_test_process(pytester: pytest.Pytester, notes: Path, how: signal.Signals) -> None:
    pytester.makepyfile(HANGS.format(notes=notes))
    with subprocess.Popen(PYTEST, cwd=pytester.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        eventually(lambda: noted(notes), 60, "the start of the world")
        ((_, pid, folder),) = noted(notes)
        assert not gone(pid)
        running.send_signal(how)
        running.communicate(timeout=60)
    eventually(lambda: gone(pid), 60, "the end of the world")
    assert folder.exists() == (how is not signal.SIGINT)
    sweep()
    assert not folder.exists()


@pytest.mark.long
@pytest.mark.proves("plugin-leaves-nothing", "plugin-parallel")
def test_ctrl_c_ends_the_worlds_of_all_workers(pytester: pytest.Pytester, notes: Path) -> None:
    pytester.makepyfile(test_a=HANGS.format(notes=notes), test_b=HANGS.format(notes=notes))
    words = (*PYTEST, "-n2", "--dist=loadfile")
    with subprocess.Popen(
        words, cwd=pytester.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as running:
        eventually(lambda: len(noted(notes)) == 2, 60, "the start of both worlds")
        os.killpg(running.pid, signal.SIGINT)  # as a terminal sends it: to every process of the run
        running.communicate(timeout=60)
    assert all(gone(pid) and not folder.exists() for _, pid, folder in noted(notes))


@pytest.mark.long
def test_namespaces_of_tests_are_deleted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from podwire.testing import eventually

        names = []

        def test_one(namespace):
            names.append(namespace.name)
            namespace.kubectl("create", "configmap", "mine")

        def test_two(world, namespace):
            assert namespace.name not in names
            assert namespace.kubectl("get", "configmap", "mine", check=False).returncode == 1
            eventually(lambda: names[0] not in world.kubectl("get", "namespaces").stdout)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)
