"""What a kustomization renders, by `kubectl kustomize`."""

from __future__ import annotations

import subprocess

from podwire.insight.sources.text import SourceError, Text
from podwire.lab.host.launch import LaunchError
from podwire.lab.host.manifests import kubectl


def rendered(folder: str) -> Text:
    """Return the objects of the kustomization in a folder, as one text. Raises SourceError."""
    try:
        done = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, check=False)
    except (LaunchError, OSError) as error:
        raise SourceError(f"-k {folder}: {error}") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("error: ")
        raise SourceError(f"-k {folder}: {reason}")
    return Text(f"kustomize {folder}", done.stdout.decode())
