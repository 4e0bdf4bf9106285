"""Run the shell lines of CI files here, as the systems do that read them, in a repository with the shop."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from podwire.testing.home import PROGRAMS, Home

ROOT = Path(__file__).parents[2]
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How GitHub runs a step with `shell: bash`."""
FILE = "nodes: 1\nfiles: [.]\nexpectations:\n"
ALLOWED = "  - {from: visitors/browser, to: shop/frontend, port: 80, expect: allow}\n"
DENIED = "  - {from: visitors/browser, to: shop/database, port: 5432, expect: deny}\n"
IDENTITY = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
}  # fmt: skip


@dataclass(frozen=True)
class Checkout:
    """A repository with the shop's manifests in deploy/, and what a CI system puts beside it."""

    folder: Path
    home: Home

    @property
    def deploy(self) -> Path:
        """The manifests."""
        return self.folder / "deploy"

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment of a step."""
        return {**self.home.environment, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", **given}

    def run(self, script: str, given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the lines of a step."""
        command = [*BASH, script]
        environment = self.environment(given)
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=110, check=False
        )

    def git(self, *arguments: str) -> str:
        """Run git."""
        found = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**os.environ, **IDENTITY},
            capture_output=True,
            text=True,
            check=True,
        )
        return found.stdout.strip()


def checkout(path: Path, expectations: str = DENIED + ALLOWED) -> Checkout:
    """A new repository with one commit."""
    made = Checkout(path / "repository", Home(path / "home"))
    shutil.copytree(ROOT / "examples/shop", made.deploy)
    (made.deploy / "README.md").unlink()
    (made.deploy / "reach.yaml").write_text(FILE + expectations)
    made.git("init", "--quiet", "--initial-branch", "main")
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "the shop")
    return made


def load(path: str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / path).read_text())


def filled(text: str, values: Mapping[str, str]) -> str:
    """Replace `${{ NAME }}`; a name without a value is an error of the test."""
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda match: values[match[1]], text)


def is_wanted(condition: str, values: Mapping[str, str]) -> bool:
    """Evaluate the one form of condition that the action has: `inputs.NAME != ''`."""
    match = re.fullmatch(r"(inputs\.[\w-]+) != ''", condition)
    assert match is not None, f"a condition of another form: {condition}"
    return values[match[1]] != ""


def scripts(value: Any) -> Iterator[str]:
    """Yield every shell line of a file, whatever its form."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in {"run", "script", "before_script", "entry"}:
                yield from [one] if isinstance(one, str) else one
            else:
                yield from scripts(one)
    elif isinstance(value, list):
        for one in value:
            yield from scripts(one)
