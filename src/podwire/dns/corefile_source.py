"""Where the Corefile comes from: a ConfigMap, a file, or the program's own flags. Changes are reported at once."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from podwire.dns.corefile.grammar import imports
from podwire.dns.corefile.tokens import LARGEST_TEXT
from podwire.kube import kinds
from podwire.kube.client import Client
from podwire.kube.core import ConfigMap
from podwire.kube.informer import Informer
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change

log = logging.getLogger(__name__)

KEY = "Corefile"
FILE_SECONDS = 2.0

Changed = Callable[[str, Mapping[str, str]], None]
"""Is called with the Corefile, and with the texts that it may import by name."""


class ConfigMapSource:
    """Follows one ConfigMap: its key `Corefile`, and its other keys for `import`."""

    def __init__(self, client: Client, key: NamespacedName, changed: Changed) -> None:
        self.key = key
        self.informer: Informer[ConfigMap] = Informer(
            client, _kind(key), field_selector=f"metadata.name={key.name}", stream_initial=True, name="corefile"
        )
        self._changed = changed
        self.informer.subscribe(self._notify)

    @property
    def object(self) -> ConfigMap | None:
        """The ConfigMap, where it exists."""
        return self.informer.objects.get(self.key)

    def _notify(self, change: Change[ConfigMap]) -> None:
        found = change.new
        if found is None:
            log.warning("ConfigMap %s was deleted: the configuration stays as it is", self.key)
            return
        if change.old is None or change.old.data != found.data:
            self._changed(found.data.get(KEY, ""), found.data)


def _kind(key: NamespacedName) -> kinds.Kind[ConfigMap]:
    """ConfigMaps of its namespace only."""
    return kinds.Kind("v1", "ConfigMap", "configmaps", ConfigMap, within=key.namespace)


async def follow_file(path: Path, changed: Changed) -> None:
    """Read a file and those that it imports when they change, until cancelled."""
    before = read_file(path)
    while True:
        await asyncio.sleep(FILE_SECONDS)
        try:
            now = read_file(path)
        except OSError as error:
            log.warning("%s is not read: %s", path, error.strerror)
            continue
        if now != before:
            before = now
            changed(*now)


def read_file(path: Path) -> tuple[str, dict[str, str]]:
    """The Corefile, and the files of its folder that it imports, by name. Raises OSError.

    No other file is read: what lies beside it may be large, and queries wait meanwhile.
    """
    text = _text(path)
    files: dict[str, str] = {}
    waiting = [text]
    while waiting:
        patterns = imports(waiting.pop(), os.environ)
        for one in sorted(path.parent.iterdir()) if patterns else ():
            desired = one.name not in files and any(fnmatch.fnmatchcase(one.name, each) for each in patterns)
            if desired and one != path and one.is_file():
                files[one.name] = _text(one)
                waiting.append(files[one.name])
    return text, files


def _text(path: Path) -> str:
    """The text of a file; of one that is too large enough to be an error."""
    with path.open(errors="replace") as file:
        return file.read(LARGEST_TEXT + 1)
