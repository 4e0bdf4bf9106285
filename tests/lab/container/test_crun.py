"""Containers that crun makes: what must fail from inside, what is missing, and what is left behind."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest

from podwire.kernel import namespaces
from podwire.lab.container import capabilities, crun, process
from podwire.lab.container.plan import ContainerPlan, Execute, Identity, Mount
from podwire.lab.images.layer import Unpacking, apply
from tests import cgroups
from tests.lab.images.building import busybox_layer
from tests.sandbox import in_world

APPLETS = "sh ls cat id touch chmod mkdir mknod mount rm sleep kill grep wc hostname unshare umount"
PLACE = Path("/run/place")
IMAGE = Path("/run/image")


def make_image() -> None:
    """This machine's busybox as an image's files."""
    IMAGE.mkdir()
    apply(io.BytesIO(busybox_layer(*APPLETS.split())), Unpacking(IMAGE))
    (IMAGE / "old").mkdir()
    (IMAGE / "old" / "file").write_text("lower")


def plan(*command: str, **changes: object) -> ContainerPlan:
    settings: dict[str, object] = {
        "name": "main",
        "program": Execute(arguments=command),
        "environment": {"PATH": "/bin"},
        "identity": Identity(capabilities=tuple(sorted(capabilities.DEFAULT))),
        "image_root": str(IMAGE),
    }
    return ContainerPlan(**{**settings, **changes})  # type: ignore[arg-type]


def begin(wanted: ContainerPlan, output: int) -> tuple[crun.Launch, process.Started]:
    (PLACE / "root").mkdir(parents=True, exist_ok=True)
    namespaces.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 1)
    null = os.open("/dev/null", os.O_RDONLY)
    place = process.Place("/proc/self/ns/net", "web-0", PLACE / "root")
    launch = crun.launch(wanted, place, process.Streams(null, output, output))
    os.close(null)
    return launch, launch.started()


def run(*command: str, **changes: object) -> tuple[int, str]:
    """Run one command as a container; its exit code and all its output."""
    if not IMAGE.exists():
        make_image()
    reader, writer = os.pipe()
    try:
        launch, started = begin(plan(*command, **changes), writer)
    finally:
        os.close(writer)
    started.release()
    os.waitpid(launch.launcher, 0)
    with os.fdopen(reader, "rb") as pipe:
        output = pipe.read() + process.read_report(started.report).encode()
    _, status = os.waitpid(started.pid, 0)
    return os.waitstatus_to_exitcode(status), output.decode()


def shell(script: str, **changes: object) -> tuple[int, str]:
    return run("sh", "-c", script, **changes)


@in_world
def test_what_a_container_is() -> None:
    code, text = shell("echo $$; hostname; id -u; pwd; cat /proc/sys/kernel/pid_max; exit 5")
    assert code == 5
    assert text.split()[:4] == ["1", "web-0", "0", "/"]
    assert int(text.split()[4]) <= int(Path("/proc/sys/kernel/pid_max").read_text())


@in_world
def test_nothing_of_the_host_can_be_changed_or_seen() -> None:
    attempts = {
        "change the host's device": "chmod 0 /dev/null",
        "a device node": "mknod /dev/sda b 8 0",
        "a cgroup": "mkdir /sys/fs/cgroup/evil",
        "a nested user namespace": "unshare -Ur true",
        "uncover what is masked": "umount /proc/keys",
        "settings of the kernel": "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "settings of processes": "echo 9 > /proc/sys/kernel/pid_max",
        "the world's state": "ls /run/podwire",
        "the image's folder": f"ls {IMAGE}",
        "leave by the old root": "ls /proc/1/root/run/podwire || ls /../../run/podwire",
        "a process outside": f"kill -0 {os.getpid()}",
    }
    for name, script in attempts.items():
        code, text = shell(script)
        assert code != 0, f"{name}: {script} succeeded: {text}"
    assert shell("echo fine > /dev/null && touch /tmp/x /bin/new")[0] == 0


@in_world
def test_capabilities_are_those_of_container_runtimes() -> None:
    _, text = shell("grep -E '^Cap|NoNew' /proc/self/status")
    held = dict(line.split(":\t") for line in text.splitlines())
    assert held["CapBnd"] == held["CapEff"] == held["CapPrm"] == "00000000a80425fb"
    assert (held["CapInh"], held["CapAmb"], held["NoNewPrivs"]) == ("0" * 16, "0" * 16, "0")


CHANGES = "rm -r /old && mkdir /old && ls /old | wc -l && echo new > /bin/new && rm /bin/new /bin/wc && echo done"


@pytest.mark.parametrize("overlay", [True, False])
def test_changes_stay_in_the_container(overlay: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the kernel has no overlay for this world, and the image is copied."""
    if not overlay:
        monkeypatch.setattr(crun, "_overlay", lambda *_: False)
    _changes_stay()


@in_world
def _changes_stay() -> None:
    assert shell(CHANGES) == (0, "0\ndone\n")
    assert (IMAGE / "old" / "file").read_text() == "lower"
    assert shell("cat /old/file; ls /bin/wc") == (0, "lower/bin/wc\n"), "the next one begins with the image"


@in_world
def test_volumes_and_links_planted_in_the_image() -> None:
    make_image()
    volume = Path("/run/volume")
    (volume / "inner").mkdir(parents=True)
    (volume / "inner" / "file").write_text("content")
    Path("/run/secret").write_text("the world's")
    (IMAGE / "planted").symlink_to("/run")
    (IMAGE / "up").symlink_to("../../../run")
    mounts = (
        Mount(source=str(volume), target="/planted/data"),
        Mount(source=str(volume), target="/up/more"),
        Mount(source=str(volume), target="/sub", sub_path="inner/file", read_only=True),
    )
    code, text = shell("cat /run/data/inner/file /run/more/inner/file /sub; ls /run/secret; touch /sub", mounts=mounts)
    assert code != 0
    assert text.startswith("contentcontentcontent")
    assert "the world's" not in text
    assert Path("/run/secret").read_text() == "the world's"
    assert sorted(path.name for path in Path("/run").iterdir()) == ["image", "place", "podwire", "secret", "volume"]


def refusal(wanted: ContainerPlan) -> str:
    null = os.open("/dev/null", os.O_WRONLY)
    with pytest.raises(crun.LaunchRefusedError) as refused:
        begin(wanted, null)
    return str(refused.value)


@in_world
def test_what_cannot_start_says_why() -> None:
    make_image()
    assert "executable file `nothing` not found" in refusal(plan("nothing"))
    assert "the image's files are gone from /run/none: load it again" in refusal(plan("sh", image_root="/run/none"))


@in_world
def test_a_machine_without_crun_or_without_cgroup2_is_an_error() -> None:
    make_image()
    path = os.environ["PATH"]
    os.environ["PATH"] = "/nonexistent"
    assert "install it (apt-get install crun)" in refusal(plan("sh"))
    os.environ["PATH"] = path
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount("tmpfs", "/sys", "tmpfs")
    assert "containers from images need cgroup2" in refusal(plan("sh"))


@in_world
def test_a_container_that_is_never_released_ends_and_leaves_nothing() -> None:
    make_image()
    null = os.open("/dev/null", os.O_WRONLY)
    launch, started = begin(plan("touch", "/tmp/x"), null)
    os.close(started.go)
    os.waitpid(launch.launcher, 0)
    assert os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]) == -signal.SIGKILL
    assert list((PLACE / "crun").iterdir()) == []


@in_world
def test_a_launcher_without_a_client_leaves_nothing() -> None:
    """As when the shim is killed while crun is at work."""
    make_image()
    (PLACE / "root").mkdir(parents=True)
    namespaces.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 1)
    null = os.open("/dev/null", os.O_RDWR)
    place = process.Place("/proc/self/ns/net", "web-0", PLACE / "root")
    launch = crun.launch(plan("sleep", "60"), place, process.Streams(null, null, null))
    os.close(launch.started_pipe)
    os.close(launch.go)
    os.waitpid(launch.launcher, 0)
    assert list((PLACE / "crun").iterdir()) == []


@in_world
def test_what_a_killed_launcher_made_is_ended_by_the_next() -> None:
    make_image()
    null = os.open("/dev/null", os.O_WRONLY)
    launch, started = begin(plan("sleep", "60"), null)
    os.kill(launch.launcher, signal.SIGKILL)
    os.waitpid(launch.launcher, 0)
    assert shell("echo next") == (0, "next\n")
    assert os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]) == -signal.SIGKILL


@in_world
def test_no_cgroup_is_made_and_the_view_begins_at_the_containers_own() -> None:
    _, text = shell("cat /proc/self/cgroup; ls /sys/fs/cgroup")
    assert "0::/\n" in text
    assert "cgroup.procs" in text
    null = os.open("/dev/null", os.O_WRONLY)
    launch, started = begin(plan("sleep", "60"), null)
    assert cgroups.of(started.pid) == cgroups.of("self")
    os.close(launch.go)
    os.waitpid(launch.launcher, 0)
    os.waitpid(started.pid, 0)


@in_world
def test_a_process_joins_a_container_of_crun() -> None:
    make_image()
    null = os.open("/dev/null", os.O_RDWR)
    settings = plan("sleep", "60")
    _, first = begin(settings, null)
    first.release()
    assert process.read_report(first.report) == ""
    reader, writer = os.pipe()
    streams = process.Streams(null, writer, writer)
    script = "hostname; ls /old; cat /proc/self/cgroup | grep 0::; grep CapEff /proc/self/status"
    second = process.join(first.pid, settings, ("sh", "-c", script), streams)
    second.release()
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read().split() == ["web-0", "file", "0::/", "CapEff:", "00000000a80425fb"]
    os.waitpid(second.pid, 0)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
