"""`kubectl run` for one command: all output is shown once, the exit code comes back, and nothing is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.world.harness import World, eventually
from tests.world.terminal import terminal_of


@pytest.fixture(scope="module")
def pods(quarter: World) -> World:
    quarter.kubectl("run", "web", "--image=nginx", "--port=8080", "--expose")
    quarter.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
    return quarter


QUICK = "echo said; exit 4"
SLOW = "echo said; sleep 0.3; echo more; exit 4"


def run(pods: World, name: str, *command: str, given: str = "", options: tuple[str, ...] = ("-i",)) -> tuple[int, str]:
    """Exit code and output of a pod that is there for one command."""
    shape = ("--image=busybox", "--restart=Never", "--rm", "--quiet", *options)
    ended = pods.kubectl("run", name, *shape, "--", *command, stdin=given, check=False)
    return ended.returncode, ended.stdout


def run_each_way(pods: World, name: str) -> None:
    """Programs that end at once, later, with their input, and by connecting to a Service: all is shown, once."""
    assert run(pods, f"{name}-quick", "sh", "-c", QUICK) == (4, "said\n")
    assert run(pods, f"{name}-slow", "sh", "-c", SLOW, options=("--attach",)) == (4, "said\nmore\n")
    assert run(pods, f"{name}-cat", "cat", given=f"to {name}\n") == (0, f"to {name}\n")
    code, shown = run(pods, f"{name}-ask", "wget", "-qO-", "http://web:8080")
    assert (code, shown.count("stand-in for nginx")) == (0, 1)


@pytest.mark.proves("kubectl-run")
def test_run_shows_all_output_once_and_passes_the_exit_code_on(pods: World) -> None:
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda number: run_each_way(pods, f"r{number}"), range(3)))
    assert pods.kubectl("get", "pods", "-o", "name").stdout.count("pod/r") == 0, "nothing is left"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_run_shows_all_output_once_fifty_times_under_load(pods: World) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: run_each_way(pods, f"many{number}"), range(50)))


@pytest.mark.proves("kubectl-run")
def test_run_with_a_terminal(pods: World) -> None:
    shape = ("run", "-it", "--rm", "--image=busybox", "--restart=Never")
    with terminal_of(pods, *shape, "ask", "--", "wget", "-qO-", "http://web:8080") as terminal:
        shown = terminal.until('pod "ask" deleted', seconds=60)
        assert shown.count("stand-in for nginx") == 1
        assert terminal.end() == 0
    with terminal_of(pods, *shape, "shell", "--", "sh", "-c", "tty; exec sh") as terminal:
        shown = terminal.until("#", seconds=60)
        assert shown.count("/dev/pts/0") == 1
        terminal.type("exit 6\n")
        assert terminal.end(60) == 6


@pytest.mark.long
def test_input_ends_with_a_client_that_just_leaves(pods: World) -> None:
    pods.kubectl("run", "left", "--image=busybox", "--restart=Never", "-i", "--attach=false", "--", "cat")
    pods.kubectl("wait", "pod/left", "--for=condition=Ready", "--timeout=60s")
    with terminal_of(pods, "attach", "-i", "left") as terminal:
        terminal.until("try pressing enter.")
        terminal.type("typed\n")
        terminal.until("typed\r\ntyped")
    eventually(lambda: pods.jsonpath("pod left", "{.status.phase}") == "Succeeded", 60, "the end of the input")
    assert pods.kubectl("logs", "left").stdout == "typed\n"
