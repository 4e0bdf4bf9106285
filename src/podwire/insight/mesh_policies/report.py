"""The mesh's part of an explanation as values."""

from __future__ import annotations

import enum

from podwire.insight.answer_form import Verdict
from podwire.insight.service.report import Value


class MeshWord(enum.StrEnum):
    """What a policy of the mesh means for a connection or request."""

    ADMITS = "admits"
    DOES_NOT_ADMIT = "does not admit"
    DENIES = "denies"
    NOT_APPLICABLE = "not applicable"
    UNDECIDABLE = "undecidable"


class MeshPolicyLine(Value, frozen=True):
    """A policy and its word; `place` is that of the rule that matches, where one does."""

    policy: str
    place: str
    word: MeshWord
    text: str = ""


class MeshLine(Value, frozen=True):
    """What the mesh makes of a connection to an enrolled pod.

    `transport` is how it is carried, with the identities of client and server; that of the client is empty where the
    server's node does not know it. `status`: what a refused request is answered by; 0: the connection is reset.
    """

    verdict: Verdict
    text: str
    transport: str
    client_identity: str = ""
    server_identity: str = ""
    policies: tuple[MeshPolicyLine, ...] = ()
    status: int = 0
