"""What a kustomization renders, by `kubectl kustomize`: of a folder, or of a folder in a revision of git."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile

from podwire.insight.sources import git_revision, texts
from podwire.insight.sources.text import SourceError, Text
from podwire.lab.host.launch import LaunchError
from podwire.lab.host.manifests import kubectl

FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""Any of these makes a folder a kustomization."""
_LOGGED = re.compile(r'[EF]\d{4} .*? err="(.*)"')
"""An error as klog writes it."""


def is_one(name: str) -> bool:
    """Whether a folder, or a REVISION:FOLDER of git, is a kustomization."""
    if os.path.isdir(name) or ":" not in name:
        return any(os.path.isfile(os.path.join(name, one)) for one in FILES)
    return any(git_revision.is_file(f"{name.removesuffix('/')}/{one}") for one in FILES)


def rendered(folder: str) -> Text:
    """Return the objects of the kustomization in a folder, as one text. Raises SourceError."""
    if not os.path.exists(folder) and ":" not in folder:
        raise texts.absent(folder)
    if os.path.isdir(folder) or ":" not in folder:
        return Text(f"kustomize {folder}", _rendered(folder, folder))
    with tempfile.TemporaryDirectory(prefix="podwire-") as copy:
        return Text(f"kustomize {folder}", _rendered(git_revision.export(folder, copy), folder))


def _reason(output: str) -> str:
    """Return why kubectl could not render it: its first line, of newer ones the field `err` of a log line."""
    line = output.strip().partition("\n")[0].removeprefix("error: ")
    logged = _LOGGED.fullmatch(line)
    return logged[1].replace('\\"', '"') if logged else line


def _rendered(folder: str, name: str) -> str:
    try:
        done = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, check=False)
    except (LaunchError, OSError) as error:
        raise SourceError(f"-k {name}: {error}") from None
    if done.returncode:
        raise SourceError(f"-k {name}: {_reason(done.stderr.decode(errors='replace')).replace(folder, name)}")
    return done.stdout.decode()
