"""Isolation of containers: what must fail from inside, beside the honest things that must work."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

from podwire.lab.container import capabilities, process
from podwire.lab.container.plan import REPORT, Call, ContainerPlan, Execute, Identity, Mount
from tests.sandbox import in_world

SCRATCH = Path("/run/scratch")
NETWORK = "/proc/self/ns/net"


def plan(*command: str, **changes: object) -> ContainerPlan:
    settings: dict[str, object] = {
        "name": "main",
        "program": Execute(arguments=command),
        "environment": {"PATH": process.DEFAULT_PATH},
        "identity": Identity(capabilities=tuple(sorted(capabilities.DEFAULT))),
    }
    return ContainerPlan(**{**settings, **changes})  # type: ignore[arg-type]


def run(*command: str, **changes: object) -> tuple[int, str]:
    """Run one command as a container; its exit code and all its output, with what kept it from starting."""
    SCRATCH.mkdir(exist_ok=True)
    null = os.open("/dev/null", os.O_RDONLY)
    reader, writer = os.pipe()
    started = process.start(
        plan(*command, **changes),
        process.Place(NETWORK, "web-0", SCRATCH),
        process.Streams(null, writer, writer),
    )
    started.release()
    os.close(writer)
    os.close(null)
    with os.fdopen(reader, "rb") as pipe, os.fdopen(started.report, "rb") as report:
        output = pipe.read() + report.read()
    _, status = os.waitpid(started.pid, 0)
    return os.waitstatus_to_exitcode(status), output.decode()


def shell(script: str, **changes: object) -> tuple[int, str]:
    return run("sh", "-c", script, **changes)


@in_world
def test_what_a_container_is() -> None:
    code, text = shell("echo $$; hostname; ls -d /root/* /home/* 2>&1 | wc -l; id -u; pwd")
    assert text.split() == ["1", "web-0", "2", "0", "/"], text
    assert code == 0


@in_world
def test_the_host_files_cannot_be_seen_or_written() -> None:
    attempts = {
        "a shadow file": "cat /etc/shadow",
        "write below /usr": "touch /usr/x",
        "make /usr writable": "mount -o remount,rw,bind /usr",
        "make /usr writable in a nested user namespace": "unshare -Urm mount -o remount,rw,bind /usr",
        "change the host's device": "chmod 0 /dev/null",
        "a second proc": "mkdir /tmp/p && unshare -Urmpf mount -t proc proc /tmp/p",
        "a cgroup of the host": "unshare -UrCm sh -c 'mount -t cgroup2 none /mnt && mkdir /mnt/evil'",
        "uncover what is masked": "umount /proc/keys || unshare -Urm umount /proc/keys",
        "a device node": "mknod /tmp/sda b 8 0",
        "settings of the kernel": "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "settings of processes": "echo 9 > /proc/sys/kernel/pid_max",
        "the world's state": "ls /run/podwire",
        "leave by the old root": "ls /proc/1/root/work || ls /../../work",
    }
    for name, script in attempts.items():
        code, text = shell(script)
        assert code != 0, f"{name}: {script} succeeded: {text}"
    assert shell("echo fine > /dev/null && head -c1 /dev/zero >/tmp/x && ls /usr/bin/env")[0] == 0


@in_world
def test_a_change_of_root_does_not_lead_out() -> None:
    escape = (
        "import os; os.mkdir('/tmp/d'); f = os.open('/', os.O_RDONLY); os.chroot('/tmp/d'); os.fchdir(f)\n"
        "for _ in range(20): os.chdir('..')\n"
        "os.chroot('.'); print(os.path.exists('/work'), os.path.exists('/usr/bin/env'))"
    )
    assert run("/usr/bin/python3", "-c", escape) == (0, "False True\n")


@in_world
def test_processes_outside_cannot_be_seen_or_signalled() -> None:
    outside = os.getpid()
    code, text = shell(f"kill -9 {outside}; ls /proc | grep -c '^[0-9]*$'; kill -0 -1; nsenter -t 1 -n -m true")
    assert code != 0
    assert "No such process" in text or "no such process" in text.lower()
    assert os.path.exists(f"/proc/{outside}")


@in_world
def test_the_rules_of_the_node_cannot_be_changed() -> None:
    subprocess.run(["nft", "add table inet node"], check=True)
    code, text = shell("nft flush ruleset; nft list ruleset; ip link add type dummy")
    assert code != 0, text
    assert "inet node" in subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
    own = (*sorted(capabilities.DEFAULT), "NET_ADMIN")
    assert shell("nft flush ruleset", identity=Identity(capabilities=own))[0] == 0, "granted in its own network"


@in_world
def test_capabilities_are_those_of_container_runtimes() -> None:
    _, text = shell("grep ^Cap /proc/self/status")
    held = dict(line.split(":\t") for line in text.splitlines())
    default = f"{capabilities.bits(capabilities.DEFAULT):016x}"
    assert held["CapBnd"] == held["CapEff"] == held["CapPrm"] == default == "00000000a80425fb"
    assert held["CapInh"] == held["CapAmb"] == "0000000000000000"


@in_world
def test_honest_things_work() -> None:
    for script in (
        "ping -c1 -W1 127.0.0.1",
        "/usr/bin/python3 -c 'import socket; socket.socket().bind((\"\", 80))'",
        "mkdir -p /var/lib/app && chmod 700 /var/lib/app && ln -s app /var/lib/link",
        "echo x > /dev/stdout && echo y > /dev/stderr",
        "getent hosts localhost; getent passwd nobody && grep -q processor /proc/cpuinfo",
        "test -d /sys/class/net/lo",
    ):
        code, text = shell(script)
        assert code == 0, f"{script}: {text}"


@in_world
def test_a_fork_bomb_is_bounded() -> None:
    code, text = shell("cat /proc/sys/kernel/pid_max")
    assert code == 0
    assert int(text) <= int(Path("/proc/sys/kernel/pid_max").read_text())


def many_ids() -> bool:
    return len(Path("/proc/self/uid_map").read_text().splitlines()) > 1


@in_world
def test_another_user_has_no_capabilities() -> None:
    number = 33 if many_ids() else 0
    other = Identity(user=number, group=number, capabilities=tuple(sorted(capabilities.DEFAULT)))
    _, text = shell("id -u; grep CapEff /proc/self/status; touch /root/x && echo written", identity=other)
    if many_ids():
        assert text.split()[:3] == ["33", "CapEff:", "0000000000000000"]
        assert "written" not in text
        assert run("setpriv", "--reuid", "33", "--clear-groups", "id", "-u") == (0, "33\n")
    else:
        assert run("setpriv", "--reuid", "33", "true")[0] != 0


@in_world
def test_volumes_and_links_planted_in_them() -> None:
    volume = Path("/run/volume")
    (volume / "inner").mkdir(parents=True)
    (volume / "inner" / "file").write_text("content")
    (volume / "planted").symlink_to("/")
    Path("/run/secret").write_text("the world's")
    mounts = (
        Mount(source=str(volume), target="/data"),
        Mount(source=str(volume), target="/data/planted/run/seen"),
        Mount(source=str(volume), target="/sub", sub_path="inner/file", read_only=True),
        Mount(source=str(volume), target="/out", sub_path="planted/inner"),
        Mount(source=str(volume), target="/made", sub_path="new/deep"),
    )
    code, text = shell(
        "cat /sub /run/seen/inner/file /out/file; ls /run/secret; touch /made/x; ! touch /sub", mounts=mounts
    )
    assert code == 0
    assert text.startswith("contentcontentcontent")
    assert "the world's" not in text
    assert (volume / "new" / "deep" / "x").exists()
    assert Path("/run/secret").read_text() == "the world's"


@in_world
def test_volumes_in_folders_of_programs_that_the_machine_does_not_have() -> None:
    volume = Path("/run/volume")
    volume.mkdir()
    (volume / "index.html").write_text("content")
    (volume / "inner").mkdir()
    mounts = (
        Mount(source=str(volume), target="/usr/share/of-no-package/html"),
        Mount(source=str(volume / "index.html"), target="/usr/share/of-no-package/one.html"),
        Mount(source=str(volume), target="/usr/share/of-no-package/html/inner", read_only=True),
        Mount(source=str(volume), target="/lib/of-no-package"),
    )
    script = (
        "cd /usr/share/of-no-package; cat html/index.html one.html html/inner/index.html /lib/of-no-package/index.html"
    )
    code, text = shell(
        f"{script}; touch html/x; ! touch /usr/share/x /usr/share/of-no-package/x; ls -d /.o*", mounts=mounts
    )
    assert text.startswith("contentcontentcontentcontent"), text
    assert text.count("Read-only file system") == 2
    assert "/.overlay" not in text, "nothing of the making is left"
    assert (volume / "x").exists()
    assert code != 0


@in_world
def test_a_folder_made_within_a_volume_has_the_volumes_mode() -> None:
    volume = Path("/run/volume")
    volume.mkdir()
    volume.chmod(0o2777)
    _, text = shell("stat -c %a /made", mounts=(Mount(source=str(volume), target="/made", sub_path="new/deep"),))
    assert text.strip() == "2777"
    assert (volume / "new").stat().st_mode & 0o7777 == 0o2777


@in_world
def test_a_read_only_root_and_no_new_privileges() -> None:
    assert shell("touch /x || touch /tmp/x", read_only_root=True)[0] != 0
    assert shell("touch /x && touch /tmp/x")[0] == 0
    strict = Identity(no_new_privileges=True, capabilities=("CHOWN",))
    _, text = shell("grep -E 'NoNewPrivs|CapBnd' /proc/self/status", identity=strict)
    assert text.split() == ["CapBnd:", "0000000000000001", "NoNewPrivs:", "1"]


@in_world
def test_what_cannot_start_says_why() -> None:
    assert run("no-such-program") == (128, 'exec: "no-such-program": executable file not found in $PATH')
    assert run("/etc/passwd") == (128, 'exec: "/etc/passwd": Permission denied')


@in_world
def test_a_process_joins_a_running_container() -> None:
    SCRATCH.mkdir()
    null = os.open("/dev/null", os.O_RDWR)
    settings = plan("sh", "-c", "echo marked > /tmp/mark; sleep 60")
    first = process.start(settings, process.Place(NETWORK, "web-0", SCRATCH), process.Streams(null, null, null))
    first.release()
    assert os.read(first.report, 1) == b""
    script = (
        "while ! test -s /tmp/mark; do :; done; cat /tmp/mark; hostname; grep CapEff /proc/self/status; ls /proc/$$/fd"
    )
    reader, writer = os.pipe()
    second = process.join(first.pid, settings, ("sh", "-c", script), process.Streams(null, writer, writer))
    second.release()
    os.close(writer)
    with os.fdopen(reader) as pipe, os.fdopen(second.report) as report:
        words = pipe.read().split()
        assert report.read() == ""
    assert words[:4] == ["marked", "web-0", "CapEff:", "00000000a80425fb"]
    assert set(words[4:]) <= {"0", "1", "2", "10"}, "nothing of the runtime leaks into the container"
    assert os.waitstatus_to_exitcode(os.waitpid(second.pid, 0)[1]) == 0
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)


@in_world
def test_a_terminal_of_a_container() -> None:
    SCRATCH.mkdir()
    null = os.open("/dev/null", os.O_RDWR)
    settings = plan("sleep", "60")
    first = process.start(settings, process.Place(NETWORK, "web-0", SCRATCH), process.Streams(null, null, null))
    first.release()
    assert os.read(first.report, 1) == b""
    ours, theirs = process.open_terminal(first.pid)
    second = process.join(first.pid, settings, ("tty",), process.Streams(theirs, theirs, theirs, terminal=True))
    second.release()
    os.close(theirs)
    assert os.read(ours, 100).strip() == b"/dev/pts/0"
    assert os.waitstatus_to_exitcode(os.waitpid(second.pid, 0)[1]) == 0
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)


@in_world
def test_a_process_that_is_never_released_ends_without_running() -> None:
    SCRATCH.mkdir()
    null = os.open("/dev/null", os.O_RDWR)
    mounts = (Mount(source="/run/scratch", target="/out"),)
    place = process.Place(NETWORK, "web-0", SCRATCH)
    started = process.start(plan("touch", "/out/x", mounts=mounts), place, process.Streams(null, null, null))
    os.close(started.go)
    assert os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]) == process.CANNOT_START
    assert not (SCRATCH / "x").exists()


@in_world
def test_a_signal_ends_a_program_of_our_own_that_has_no_handler_yet() -> None:
    SCRATCH.mkdir()
    null = os.open("/dev/null", os.O_RDWR)
    place = process.Place(NETWORK, "web-0", SCRATCH)
    sleeping = Call(function="tests.lab.container.test_process:sleep", arguments={})
    for released in (False, True):
        started = process.start(plan(program=sleeping), place, process.Streams(null, null, null))
        if released:
            started.release()
            process.read_report(started.report)
        os.kill(started.pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]) == 128 + signal.SIGTERM


def sleep(_: dict[str, str]) -> None:
    signal.pause()


@in_world
def test_a_program_of_our_own_may_report_itself_that_it_has_started() -> None:
    SCRATCH.mkdir()
    null = os.open("/dev/null", os.O_RDWR)
    place = process.Place(NETWORK, "web-0", SCRATCH)
    for reports in (False, True):
        call = Call(function="tests.lab.container.test_process:start_at_a_signal", reports=reports)
        started = process.start(plan(program=call), place, process.Streams(null, null, null))
        started.release()
        if reports:
            assert not select.select([started.report], [], [], 0.1)[0]
            deadline = time.monotonic() + 10
            while not select.select([started.report], [], [], 0.01)[0] and time.monotonic() < deadline:
                os.kill(started.pid, signal.SIGCONT)
        assert process.read_report(started.report) == ""
        os.kill(started.pid, signal.SIGKILL)
        os.waitpid(started.pid, 0)


def start_at_a_signal(_: dict[str, str]) -> None:
    signal.signal(signal.SIGCONT, lambda *_: os.close(REPORT))
    while True:
        signal.pause()


@in_world
def test_descriptors_are_closed_one_by_one_however_high_the_limit_is() -> None:
    high = os.open("/dev/null", os.O_RDONLY)
    os.dup2(high, 900)
    os.closerange = lambda *_: os._exit(2)
    child = os.fork()
    if child == 0:
        process.close_from(3)
        for number in (high, 900):
            try:
                os.fstat(number)
            except OSError:
                continue
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
