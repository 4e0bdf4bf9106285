"""The answer of `podwire explain name`: read the objects and the Corefile, explain, print."""

from __future__ import annotations

import msgspec

from podwire.dns.corefile.configuration import Configuration, configuration
from podwire.dns.corefile.tokens import CorefileError
from podwire.dns.default_corefile import default_corefile
from podwire.insight import target
from podwire.insight.answer_form import as_json
from podwire.insight.name.explain import explain
from podwire.insight.name.report import Report
from podwire.insight.name.text import text
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot import live, names
from podwire.insight.snapshot.opening import Sources, open_snapshot
from podwire.insight.snapshot.snapshot import WARNED, Snapshot
from podwire.insight.target import Choice
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.meta import NamespacedName

CONFIG_MAP = NamespacedName("kube-system", "coredns")
KEY = "Corefile"


class Objects(msgspec.Struct, frozen=True):
    """The objects, and the texts of the ConfigMap with the Corefile, where there is one."""

    snapshot: Snapshot
    texts: dict[str, str] = {}


def opened(sources: Sources, choice: Choice | None) -> Objects:
    """Read the objects. Raises as `open_snapshot`."""
    if sources.is_live:
        return target.choose(choice or Choice()).read(_live)
    snapshot = open_snapshot(sources)
    for one in snapshot.others:
        metadata = one.value.get("metadata", {})
        key = NamespacedName(metadata.get("namespace", ""), metadata.get("name", ""))
        if one.kind == ("", "ConfigMap") and key == CONFIG_MAP:
            return Objects(snapshot, dict(one.value.get("data") or {}))
    return Objects(snapshot)


async def _live(client: Client) -> Objects:
    snapshot = await live.read(client)
    try:
        found = await client.get(CONFIG_MAPS, CONFIG_MAP)
    except ApiError as error:
        if error.code not in {403, 404}:
            raise
        return Objects(snapshot)
    return Objects(snapshot, dict(found.data))


def report(name: str, client: str, objects: Objects, namespace: str = "") -> Report:
    """Return the explanation. Raises EndError."""
    end = names.resolve(client, objects.snapshot, namespace, is_client=True)
    settings, problem = _configuration(objects.texts)
    found = explain(name, end, settings, objects.snapshot)
    notes = (one for one in objects.snapshot.notes if one.topic in WARNED)
    warnings = tuple(Finding(Severity.WARNING, one.topic, f"{one.text}.") for one in notes)
    found = msgspec.structs.replace(found, findings=(*found.findings, *warnings))
    if not problem:
        return found
    note = Finding(
        Severity.WARNING, "CorefileRejected", f"ConfigMap {CONFIG_MAP}: {problem}; usual answers are shown.", "Mend it."
    )
    return msgspec.structs.replace(found, findings=(*found.findings, note))


def _configuration(texts: dict[str, str]) -> tuple[Configuration, str]:
    """The Corefile's meaning, or the usual one and what is wrong."""
    usual = configuration(default_corefile("cluster.local", ("/etc/resolv.conf",)))
    if KEY not in texts:
        return usual, ""
    try:
        return configuration(texts[KEY], files=texts), ""
    except CorefileError as error:
        return usual, str(error)


def shown(found: Report, *, json: bool) -> str:
    """Return the report as text or JSON."""
    return as_json(found, found.verdict, found.answer) if json else text(found)
