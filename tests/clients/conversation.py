"""A command that is spoken to by PyPI `kubernetes`: input, both outputs and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubernetes.stream import stream

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api  # takes longer to import than all other clients together


def converse(api: CoreV1Api, namespace: str, pod: str, container: str) -> tuple[str, str, int]:
    """What a shell in the container wrote to stdout and stderr, and its exit code. Other calls need a new api."""
    run = stream(
        api.connect_get_namespaced_pod_exec,
        pod,
        namespace,
        container=container,
        command=["sh", "-c", "read x; echo got $x; echo no >&2; exit 3"],
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    run.write_stdin("it\n")
    run.run_forever(timeout=60)
    return run.read_stdout(), run.read_stderr(), run.returncode
