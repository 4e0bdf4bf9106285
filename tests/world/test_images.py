"""Images from archives: loaded, run by crun, used through kubectl, and nothing left on the host."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.lab.host import userns
from tests import cgroups
from tests.lab.images.building import Image, busybox_layer, docker, entry, oci, tar
from tests.world.harness import Home, World, eventually, running

MANY_IDS = userns.available_map().full
USER = 33 if MANY_IDS else 0
"""Who the image wants to be: a world with a single id has root only."""

APPLETS = "sh ls cat id sleep httpd env wget tar ps touch rm mkdir chmod grep tty kill echo"
UPPER = tar(
    entry("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nweb:x:%d:%d:web:/www:/bin/sh\n" % (USER, USER)),
    entry("etc/group", b"web:x:%d:\n" % USER),
    entry("www/", uid=USER, gid=USER),
    entry("www/index.html", b"hello from the image\n", uid=USER, gid=USER),
    entry("old/.wh.hidden"),
    entry("tmp/", mode=0o1777),
)
WEB = Image(
    [busybox_layer(*APPLETS.split()), tar(entry("old/hidden", b"x"), entry("old/seen", b"y")), UPPER],
    {
        "User": "web",
        "Entrypoint": ["httpd", "-f", "-v"],
        "Cmd": ["-p", "8080", "-h", "/www"],
        "Env": ["PATH=/bin", "COLOR=blue", "SHAPE=round"],
        "WorkingDir": "/www",
        "StopSignal": "SIGINT",
    },
    annotations={"io.containerd.image.name": "docker.io/library/web:v1"},
)


def contents(folder: Path) -> dict[str, tuple[int, ...] | str]:
    """Everything below a folder but for times of reading: kind, owner, size, times of change, and a hash of content."""
    found: dict[str, tuple[int, ...] | str] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        what = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        numbers = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        found[str(path)] = f"{numbers} {what}"
    return found


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    (folder / "web.tar").write_bytes(oci(WEB))
    (folder / "saved.tar").write_bytes(docker((WEB, ["team/saved:v1", "team/saved:latest"])))
    return folder


@pytest.fixture(scope="module")
def world(home: Home, archives: Path) -> Iterator[World]:
    """A world that was there before its images."""
    for world in running(home, "images"):
        home.podwire("image", "load", str(archives / "web.tar"))
        yield world
        assert cgroups.of(*world.processes()) == cgroups.of("self"), "a world makes no cgroup"


def wait_ready(world: World, *what: str) -> None:
    world.kubectl("wait", "--for=condition=Ready", "--timeout=30s", *what)


def store(home: Home) -> Path:
    return home.folder / "state" / "images"


@pytest.fixture(scope="module")
def web(world: World) -> str:
    world.kubectl("run", "web", "--image=web:v1", "--port=8080", "--expose")
    wait_ready(world, "pod/web")
    return "web"


@pytest.mark.proves("image-load-oci", "image-load-docker", "image-ls")
def test_loading_listing_and_names(world: World, archives: Path) -> None:
    said = world.home.podwire("image", "load", str(archives / "saved.tar")).stdout
    assert "Loaded team/saved:v1, team/saved:latest" in said
    table = world.home.podwire("image", "ls").stdout.splitlines()
    assert table[0].split() == ["NAME", "ID", "ARCH", "FORMAT", "SIZE", "LOADED"]
    assert {line.split()[0] for line in table[1:]} >= {"web:v1", "team/saved:v1", "team/saved:latest"}
    (image,) = json.loads(world.home.podwire("image", "ls", "-o", "json").stdout)
    assert image["id"] == WEB.id
    assert "docker.io/team/saved:v1" in image["names"]
    assert "Untagged team/saved:latest" in world.home.podwire("image", "rm", "team/saved").stdout
    refused = world.home.podwire("image", "rm", "team/saved", check=False)
    assert refused.returncode == 1
    assert "team/saved:latest: is not in the store" in refused.stderr


@pytest.mark.proves("images-run", "images-status")
def test_an_image_runs_as_it_wants_to_and_says_what_it_is(world: World, web: str) -> None:
    script = "id -u; pwd; env; cat /etc/hostname; ls /old; cat /proc/1/cmdline"
    said = world.kubectl("exec", web, "--", "sh", "-c", script).stdout
    lines = said.splitlines()
    assert lines[:2] == [str(USER), "/www"]
    assert {"COLOR=blue", "PATH=/bin", "HOME=/www" if USER else "HOME=/root", "KUBERNETES_SERVICE_PORT=443"} <= set(
        lines
    )
    assert "web" in lines
    assert "seen" in lines, "the lower layers are there"
    assert "hidden" not in lines, "a whiteout hides"
    assert lines[-1].replace("\0", " ").strip() == "httpd -f -v -p 8080 -h /www"
    assert world.jsonpath("pod web", "{.status.containerStatuses[0].imageID}") == WEB.id
    assert world.jsonpath("pod web", "{.status.containerStatuses[0].image}") == "docker.io/library/web:v1"
    events = world.kubectl("events", "--for=pod/web").stdout
    assert 'Container image "web:v1" already present on machine' in events
    assert "StandIn" not in events
    assert "stand-in" not in world.home.podwire("status").stdout


@pytest.mark.proves("images-run")
def test_a_service_leads_to_it_and_its_log_shows_the_client(world: World, web: str) -> None:
    said = world.kubectl(
        *("run", "client", "--rm", "-i", "--restart=Never", "--image=web:v1", "--command"),
        *("--", "wget", "-qO-", "http://web:8080/"),
    ).stdout
    assert "hello from the image" in said
    eventually(lambda: "response:200" in world.kubectl("logs", web).stdout, what="the request in the log")


POD = """
apiVersion: v1
kind: Pod
metadata: {name: settings}
spec:
  restartPolicy: OnFailure
  initContainers:
  - name: init
    image: web:v1
    command: [sh, -c, "echo made > /shared/file; chmod 777 /shared"]
    securityContext: {runAsUser: 0}
    volumeMounts: [{name: shared, mountPath: /shared}]
  containers:
  - name: main
    image: web:v1
    command: [sh, -c]
    args: ["env; id -u; pwd; cat /part; touch /shared/x && echo written; touch /y || echo read-only; exec sleep 600"]
    workingDir: /not/in/image
    env: [{name: COLOR, value: "$(OTHER)red"}, {name: OTHER, value: x}]
    securityContext: {runAsUser: 0, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    readinessProbe: {exec: {command: [cat, /shared/x]}, periodSeconds: 1}
    volumeMounts:
    - {name: shared, mountPath: /shared}
    - {name: shared, mountPath: /part, subPath: file, readOnly: true}
  volumes: [{name: shared, emptyDir: {}}]
"""


@pytest.mark.long
@pytest.mark.proves("images-run")
def test_the_pods_settings_win_over_the_images(world: World) -> None:
    world.apply(POD)
    wait_ready(world, "pod/settings")
    lines = world.kubectl("logs", "settings").stdout.splitlines()
    assert {"COLOR=$(OTHER)red", "SHAPE=round", "0", "/not/in/image", "made", "written", "read-only"} <= set(lines)
    status = world.kubectl("exec", "settings", "--", "grep", "CapBnd", "/proc/self/status").stdout
    assert status.split() == ["CapBnd:", "0000000000000000"]


@pytest.mark.parametrize("code", [0, 7])
def test_exit_codes_of_containers_and_of_exec(world: World, web: str, code: int) -> None:
    name = f"ends-{code}"
    world.kubectl(
        "run", name, "--image=web:v1", "--restart=Never", "--command", "--", "sh", "-c", f"echo out; exit {code}"
    )
    path = "{.status.containerStatuses[0].state.terminated.exitCode}"
    eventually(lambda: world.jsonpath(f"pod {name}", path) == str(code), what="the exit code")
    assert world.kubectl("logs", name).stdout == "out\n"
    assert world.kubectl("exec", web, "--", "sh", "-c", f"exit {code}", check=False).returncode == code


@pytest.mark.long
def test_the_images_own_stop_signal_ends_it(world: World) -> None:
    script = "trap 'echo reported; exit 0' INT; echo ready; while :; do sleep 0.1; done"
    world.kubectl("run", "polite", "--image=web:v1", "--restart=Never", "--command", "--", "sh", "-c", script)
    eventually(lambda: world.kubectl("logs", "polite", check=False).stdout == "ready\n", what="the trap is set")
    world.kubectl("delete", "pod", "polite", "--grace-period=60", "--timeout=20s")


@pytest.mark.proves("images-run")
def test_input_terminal_and_copies(world: World, web: str, tmp_path: Path) -> None:
    shell = ("run", "--rm", "-i", "--restart=Never", "--image=web:v1", "--command")
    said = world.kubectl(*shell, "talks", "--", "sh", "-c", "read line; echo got $line", stdin="this\n").stdout
    assert "got this" in said
    world.kubectl(
        "run", "tty", "--tty", "--stdin", "--restart=Never", "--image=web:v1", "--command", "--", "tty", check=False
    )
    eventually(lambda: "/dev/pts/0" in world.kubectl("logs", "tty", check=False).stdout, what="a terminal")
    (tmp_path / "there").write_text("copied")
    world.kubectl("cp", str(tmp_path / "there"), f"{web}:/tmp/there")
    world.kubectl("cp", f"{web}:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "copied"


@pytest.mark.proves("images-missing")
@pytest.mark.parametrize(
    ("image", "command", "reason", "words"),
    [
        ("web:v1", ["/no/such"], "StartError", "executable file `/no/such` not found"),
        ("Bad:v1", [], "InvalidImageName", "invalid reference format"),
    ],
)
def test_what_cannot_run_says_why(world: World, image: str, command: list[str], reason: str, words: str) -> None:
    name = reason.lower()
    container = {"name": "c", "image": image, "command": command}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}
    world.apply(json.dumps(pod))
    path = "{.status.containerStatuses[0]}"
    eventually(lambda: reason in world.jsonpath(f"pod {name}", path), what=reason)
    assert words in world.jsonpath(f"pod {name}", path)
    world.kubectl("delete", "pod", name, "--wait=false")


@pytest.mark.long
@pytest.mark.proves("images-missing")
def test_a_pod_that_never_pulls_waits_for_its_image_and_starts_when_it_is_loaded(world: World, archives: Path) -> None:
    world.kubectl("run", "waits", "--image=late:v1", "--image-pull-policy=Never")
    path = "{.status.containerStatuses[0].state.waiting}"
    eventually(lambda: "ErrImageNeverPull" in world.jsonpath("pod waits", path), what="ErrImageNeverPull")
    assert "podwire image load" in world.jsonpath("pod waits", path)
    world.home.podwire("image", "load", str(archives / "saved.tar"), "--tag", "late:v1")
    wait_ready(world, "pod/waits")


@pytest.mark.long
@pytest.mark.proves("image-stand-ins-labelled")
def test_a_stand_in_stays_one_until_its_pod_is_recreated(world: World, archives: Path) -> None:
    world.kubectl("run", "other", "--image=other:v1", "--port=8080")
    wait_ready(world, "pod/other")
    path = "{.status.containerStatuses[0].imageID}"
    world.home.podwire("image", "load", str(archives / "web.tar"), "--tag", "other:v1")
    world.kubectl("run", "other-new", "--image=other:v1")
    wait_ready(world, "pod/other-new")
    assert world.jsonpath("pod other-new", path) == WEB.id
    assert world.jsonpath("pod other", path) == "podwire://stand-in/other:v1"


@pytest.mark.long
def test_an_image_in_use_stays(world: World, web: str) -> None:
    refused = world.home.podwire("image", "rm", WEB.id, check=False)
    assert refused.returncode == 1
    assert "containers that run from it" in refused.stderr
    assert world.kubectl("exec", web, "--", "cat", "index.html").stdout == "hello from the image\n"


@pytest.mark.long
def test_a_name_goes_from_under_a_container_which_runs_on_and_says_so(world: World, archives: Path) -> None:
    world.home.podwire("image", "load", str(archives / "web.tar"), "--tag", "named:v1")
    world.kubectl("run", "named", "--image=named:v1")
    wait_ready(world, "pod/named")
    said = world.home.podwire("image", "rm", "named:v1").stdout
    assert "Untagged named:v1\n  containers that run from the image: " in said
    eventually(lambda: "ImageMoved" in world.kubectl("events", "--for=pod/named").stdout, what="the event")
    events = world.kubectl("events", "--for=pod/named").stdout
    assert "at its next start it would be podwire://stand-in/named:v1" in events
    assert "StandIn" not in events
    assert world.jsonpath("pod named", "{.status.containerStatuses[0].imageID}") == WEB.id
    assert world.kubectl("exec", "named", "--", "cat", "index.html").stdout == "hello from the image\n"
    assert "stand-in for named" not in world.home.podwire("status").stdout


def test_containers_live_on_when_runtime_and_shims_are_killed(world: World, web: str) -> None:
    started = world.jsonpath("pod web", "{.status.containerStatuses[0].state.running.startedAt}")
    for name in ("pw-runtime", "pw-shim"):
        for pid, found in world.processes().items():
            if found.startswith(name):
                os.kill(pid, signal.SIGKILL)
    said = world.run_in("default/web", "curl", "-s", "--max-time", "30", "http://127.0.0.1:8080/").stdout
    assert said == "hello from the image\n"

    def answers() -> bool:
        return world.kubectl("exec", web, "--", "cat", "index.html", check=False).stdout == "hello from the image\n"

    eventually(answers, 60, what="exec through a new shim")
    assert world.jsonpath("pod web", "{.status.containerStatuses[0].state.running.startedAt}") == started
    servers = [pid for pid, name in world.processes().items() if name == "httpd"]
    os.kill(
        next(pid for pid in servers if b"HOSTNAME=web\0" in Path(f"/proc/{pid}/environ").read_bytes()), signal.SIGKILL
    )
    restarts = "{.status.containerStatuses[0].restartCount}"
    eventually(lambda: world.jsonpath("pod web", restarts) == "1", 60, what="a restart by the new shim")


def cgroup_names(world: World) -> list[str]:
    """The control groups below that of a container, which is the world's own, by what another container sees."""
    return world.kubectl("exec", "web", "--", "ls", "/sys/fs/cgroup").stdout.split()


def test_no_container_writes_to_the_store_the_cgroups_or_the_hosts_devices(world: World) -> None:
    before, null = contents(store(world.home)), os.stat("/dev/null").st_mode
    script = (
        "echo changed > /www/index.html; rm -r /old /bin/tar; touch /bin/new; echo x > /etc/passwd;"
        "chmod 700 /bin/busybox; chmod 0 /dev/null; mkdir /sys/fs/cgroup/evil; mkdir /old; ls /old; cat /www/index.html"
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "vandal"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {"name": "c", "image": "web:v1", "command": ["sh", "-c", script], "securityContext": {"runAsUser": 0}}
            ],
        },
    }
    world.apply(json.dumps(pod))
    eventually(lambda: world.jsonpath("pod vandal", "{.status.phase}") in {"Succeeded", "Failed"}, what="its end")
    said = world.kubectl("logs", "vandal").stdout
    assert said.splitlines()[-1] == "changed"
    assert "seen" not in said, "a folder that replaces one of the image is empty"
    assert said.count("Read-only file system") == 2, said
    assert contents(store(world.home)) == before
    assert "evil" not in cgroup_names(world), "others may come and go: programs of this machine may make some beside it"
    assert os.stat("/dev/null").st_mode == null


@pytest.mark.long
@pytest.mark.proves("image-busybox")
def test_a_shell_image_runs_on_this_machines_busybox_until_it_is_loaded(world: World, archives: Path) -> None:
    path = "{.status.containerStatuses[0].imageID}"
    shell = ("--restart=Never", "--command", "--", "sh", "-c", "cat /www/index.html || echo none; sleep 600")
    world.kubectl("run", "before", "--image=alpine:3", *shell)
    wait_ready(world, "pod/before")
    assert world.jsonpath("pod before", path) == "podwire://machine/alpine:3"
    world.home.podwire("image", "load", str(archives / "web.tar"), "--tag", "alpine:3")
    world.kubectl("run", "after", "--image=alpine:3", *shell)
    wait_ready(world, "pod/after")
    assert world.jsonpath("pod after", path) == WEB.id
    assert world.kubectl("logs", "after").stdout == "hello from the image\n"
