"""Try all features in a network namespace that is thrown away: the node's rules and links are not touched."""

from __future__ import annotations

import errno
import threading
from collections.abc import Collection

import msgspec

from podwire.kernel import namespaces
from podwire.kernel.features import FEATURES, TABLE, Feature
from podwire.kernel.nftables import Nftables, NftablesError, NftablesMissingError, Transactions

OLDEST_LIBRARY = "1.0.6"
_NO_RIGHTS = frozenset({errno.EPERM, errno.EACCES})
_PRIVILEGES = "run as root with the capabilities NET_ADMIN, NET_RAW and SYS_ADMIN, in a pod with privileged: true"
_PARSER = ("syntax error", "unknown", "datatype", "expression", "unexpected")
"""Words of libnftables' own refusals; those of the kernel are `Could not process rule` or `... transaction`."""


class FeatureResult(msgspec.Struct, frozen=True):
    """Whether a feature works here; else `problem` is what was refused, and `remedy` what to do."""

    name: str
    ok: bool
    essential: bool
    serves: str
    problem: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        if self.ok:
            return f"{self.name}: works"
        return f"{self.name}, needed for {self.serves}, does not work: {self.problem}; {self.remedy}"


def check(features: Collection[Feature] = FEATURES) -> tuple[FeatureResult, ...]:
    """Try each feature. Needs the rights of an agent; without them no feature works. Blocks some 30 ms."""
    results: list[FeatureResult] = []

    def in_new_namespace() -> None:
        try:
            namespaces.unshare(namespaces.CLONE_NEWNET)
        except OSError as error:
            results.extend(_failed(feature, str(error), _PRIVILEGES) for feature in features)
            return
        try:
            nft = Nftables()
        except NftablesMissingError as error:
            results.extend(_failed(feature, "libnftables cannot be loaded", str(error)) for feature in features)
            return
        results.extend(tried(feature, nft) for feature in features)
        nft.close()

    # The namespace of a thread ends with it.
    thread = threading.Thread(target=in_new_namespace, name="feature-check")
    thread.start()
    thread.join()
    return tuple(results)


def tried(feature: Feature, nft: Transactions) -> FeatureResult:
    """Try one feature in the network namespace of this thread."""
    try:
        if callable(feature.probe):
            feature.probe()
        else:
            nft.run(feature.probe)
            nft.run(f"delete table {feature.family} {TABLE}")
    except OSError as error:
        rights = error.errno in _NO_RIGHTS
        return _failed(feature, str(error), _PRIVILEGES if rights else _modules(feature))
    except NftablesError as error:
        return _refused(feature, str(error))
    return FeatureResult(feature.name, True, feature.essential, feature.serves)


def _refused(feature: Feature, text: str) -> FeatureResult:
    """A refusal of nftables: of the parser, for want of rights, or of the kernel."""
    first = text.partition("\n")[0]
    if "Operation not permitted" in text:
        return _failed(feature, first, _PRIVILEGES)
    if "Could not process rule" not in first and any(word in first for word in _PARSER):
        return _failed(feature, first, f"install libnftables {OLDEST_LIBRARY} or later")
    return _failed(feature, first, _modules(feature))


def _modules(feature: Feature) -> str:
    return f"the kernel needs {feature.modules}: load it with modprobe, or use a kernel that has it"


def _failed(feature: Feature, problem: str, remedy: str) -> FeatureResult:
    return FeatureResult(feature.name, False, feature.essential, feature.serves, problem, remedy)
