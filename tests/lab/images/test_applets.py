"""Scripts in place of busybox's programs: which options reach the program itself, and what they do about the rest."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.kernel import namespaces
from podwire.lab.images import busybox

BUSYBOX = """#!/bin/sh
name=$1
shift
case $name in
  sleep) exec sleep "$@" ;;
  wget) %s ;;
  nslookup)
    for word do case $word in *none*) echo "can't find $word"; exit 1;; *silent*) echo "timed out"; exit 1;; esac; done
    case " $* " in *" %s "*) echo "Name: $*"; exit 0 ;; esac
    echo "can't find $*"; exit 1 ;;
  *) printf '<%%s>' "$name" "$@" ;;
esac
"""
SHOW = "printf '<%s>' \"$@\""


class Applets:
    """The scripts with a busybox that shows its arguments."""

    def __init__(self, folder: Path, wget: str = SHOW, known: str = "web.default.svc.cluster.local") -> None:
        self.folder = folder
        scripts = list(busybox.LACKING)
        busybox.provide(folder, "/bin/true", ["sh"], scripts)
        (folder / "busybox").unlink()
        (folder / "busybox").write_text(BUSYBOX % (wget, known))
        (folder / "busybox").chmod(0o755)
        (folder / "resolv.conf").write_text("nameserver 10.0.0.1\nsearch default.svc.cluster.local svc.cluster.local\n")
        for name in scripts:
            text = (folder / name).read_text().replace(f"#!{busybox.FOLDER}/sh", "#!/bin/sh")
            text = text.replace(busybox.FOLDER, str(folder)).replace("/etc/resolv.conf", str(folder / "resolv.conf"))
            (folder / name).write_text(text)

    def run(self, *command: str) -> tuple[int, str, str]:
        """Run a script; its status, output and errors."""
        done = subprocess.run(
            [self.folder / command[0], *command[1:]], capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def applets(tmp_path: Path) -> Applets:
    return Applets(tmp_path / "applets")


@pytest.mark.parametrize(
    ("command", "passed"),
    [
        ("-qO- web", "<-qO-><web>"),
        ("-qO- --timeout=2 web", "<-qO-><web>"),
        ("-qO- --timeout 2 web", "<-qO-><web>"),
        ("--tim=2 web", "<web>"),
        ("-T 2 web", "<web>"),
        ("-T2 web", "<web>"),
        ("web -qT 2 -O -", "<web><-q><-O><->"),
        ("-qO -T web", "<-qO><-T><web>"),
        ("--spider -T 1 web", "<--spider><web>"),
        ("-t 3 -T 1 --header -T web", "<-t><3><--header><-T><web>"),
        ("-O - -- -T", "<-O><-><--><-T>"),
        ("-T 0 web", "<web>"),
    ],
)
def test_wget_takes_its_timeout_anywhere(applets: Applets, command: str, passed: str) -> None:
    assert applets.run("wget", *command.split()) == (0, f"<--no-check-certificate>{passed}", "")


def test_a_word_with_spaces_stays_one_word(applets: Applets) -> None:
    shown = applets.run("wget", "-T", "2", "--header", "Host: a b", "web")
    assert shown == (0, "<--no-check-certificate><--header><Host: a b><web>", "")


@pytest.mark.parametrize(("command", "words"), [("-T x web", "invalid number 'x'"), ("web -T", "requires an argument")])
def test_a_wrong_timeout_is_refused(applets: Applets, command: str, words: str) -> None:
    code, _, errors = applets.run("wget", *command.split())
    assert (code, words in errors) == (1, True), errors


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


READER = """exec python3 -Ic '
import os, socket
connection = socket.create_connection(("127.0.0.1", %d))
while data := os.read(connection.fileno(), 9): os.write(1, data)
'"""


def test_a_server_that_is_silent_is_given_up(tmp_path: Path, silent: int) -> None:
    applets = Applets(tmp_path / "applets", READER % silent)
    begun = time.monotonic()
    assert applets.run("wget", "-T", "1", "web") == (1, "", "wget: download timed out\n")
    assert time.monotonic() - begun >= 0.75


def test_a_server_that_is_slow_is_read_to_its_end(tmp_path: Path) -> None:
    """Each pause is shorter than the timeout, the whole longer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                for _ in range(12):
                    connection.sendall(b"x")
                    time.sleep(0.2)

        thread = threading.Thread(target=serve)
        thread.start()
        applets = Applets(tmp_path / "applets", READER % listener.getsockname()[1])
        assert applets.run("wget", "-T", "2", "web") == (0, "x" * 12, "")
        thread.join()


@pytest.fixture
def orphans() -> Iterator[None]:
    """Orphans become children of the test's process, as they become those of a container's first one."""
    namespaces.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 1)
    yield
    namespaces.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 0)


def children() -> set[str]:
    """The process ids of this process's children; those of other tests' fixtures are among them."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.usefixtures("orphans")
@pytest.mark.parametrize("program", ["exit 0", "exec sleep 5"])
def test_no_child_is_left_to_the_containers_first_process(tmp_path: Path, program: str) -> None:
    others = children()
    Applets(tmp_path / "applets", program).run("wget", "-T", "1", "web")
    assert children() - others == set()


def test_the_status_of_wget_is_kept(tmp_path: Path) -> None:
    assert Applets(tmp_path / "applets", "exit 7").run("wget", "-T", "2", "web")[0] == 7


@pytest.mark.parametrize("name", ["web", "web.default", "web.default.svc", "web.default.svc.cluster.local"])
def test_names_are_searched_for_in_the_domains(tmp_path: Path, name: str) -> None:
    applets = Applets(tmp_path / "applets")
    (applets.folder / "resolv.conf").write_text("search default.svc.cluster.local svc.cluster.local cluster.local\n")
    code, output, _ = applets.run("nslookup", name)
    assert (code, output.strip()) == (0, "Name: web.default.svc.cluster.local")


@pytest.mark.parametrize(
    ("name", "requested"), [("none", "none"), ("none.example.", "none.example."), ("10.0.0.1", "")]
)
def test_an_unknown_name_is_an_error(applets: Applets, name: str, requested: str) -> None:
    code, output, _ = applets.run("nslookup", name)
    assert (code, output.strip()) == (1, f"can't find {requested or name}")


def test_servers_that_do_not_answer_are_not_tried_for_each_domain(applets: Applets) -> None:
    assert applets.run("nslookup", "silent") == (1, "timed out\n", "")


def test_other_words_of_nslookup_stay(applets: Applets) -> None:
    shown = applets.run("nslookup", "-type=a", "web", "10.0.0.9")
    assert shown == (0, "Name: -type=a web.default.svc.cluster.local 10.0.0.9\n\n", "")


@pytest.mark.parametrize(
    ("command", "passed"),
    [
        ("netstat -tulpn", "<netstat><-tuln>"),
        ("netstat -p -t", "<netstat><-t>"),
        ("timeout -t 2 sleep 3", "<timeout><2><sleep><3>"),
        ("timeout 2 -t", "<timeout><2><-t>"),
        ("nc -l -p 80", "<nc><-l><-p><80>"),
        ("nc -w 2 web 80", "<nc><-w><2><web><80>"),
        ("nc -zw2 web 80", "<nc><-w><2><web><80><-e>"),
        ("nc -nzv -w 2 web 80", "<nc><-w><2><web><80><-e>"),
    ],
)
def test_options_that_are_missing_are_left_out(applets: Applets, command: str, passed: str) -> None:
    code, output, _ = applets.run(*command.split())
    assert (code, output.replace(f"<{applets.folder}/true>", "")) == (0, passed)


def test_only_programs_that_lack_something_are_replaced() -> None:
    full = {"nc": "-z", "netstat": "\t-p\tShow", "wget": "[-T SEC]", "timeout": "", "nslookup": ""}
    assert busybox.replaced(full, full.__getitem__) == ["nslookup", "timeout"]
    assert busybox.replaced(["nc", "sh", "wget"], lambda _: "[-w SEC]") == ["nc", "wget"]
