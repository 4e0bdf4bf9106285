"""Whom this node trusts, as the mesh controller publishes it; remembered while the API server is away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS
from podwire.mesh.identity.trust_objects import TRUST, trust_bundle

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.core import ConfigMap
    from podwire.kube.watch import Change
    from podwire.mesh.identity.certificate import TrustBundle

log = logging.getLogger(__name__)


def follow(client: Client, use: Callable[[TrustBundle], None]) -> Informer[ConfigMap]:
    """Return the informer of the ConfigMap, to be run by the caller; `use` receives each bundle.

    One that cannot be used, or is deleted, changes nothing: connections go on with the bundle before it.
    """
    kind = msgspec.structs.replace(CONFIG_MAPS, within=TRUST.namespace)
    informer: Informer[ConfigMap] = Informer(client, kind, field_selector=f"metadata.name={TRUST.name}")

    def changed(change: Change[ConfigMap]) -> None:
        if change.new is None or change.new.key != TRUST:
            return
        bundle = trust_bundle(change.new)
        if not bundle.roots:
            log.error("configmap %s has no roots: the ones before it remain", TRUST)
            return
        try:
            use(bundle)
        except ValueError as error:
            log.warning("configmap %s: %s: the bundle before it remains", TRUST, error)

    informer.subscribe(changed)
    return informer
