"""The explanation of a name as values: what `-o json` prints, and what the text shows."""

from __future__ import annotations

from podwire.insight.answer_form import Verdict
from podwire.insight.connection.report import Change, ConnectionLine
from podwire.insight.service.report import Finding, Value, has_error


class ResolverLine(Value, frozen=True):
    """The resolv.conf of the pod."""

    policy: str
    servers: tuple[str, ...]
    searches: tuple[str, ...]
    ndots: int
    options: tuple[str, ...] = ()


class QueryLine(Value, frozen=True):
    """One query and its answer.

    Attributes:
        number: of its turn, from 1; queries of one turn are sent together.
        name: as it is sent, with the last dot.
        type: A or AAAA.
        code: NOERROR, NXDOMAIN ..., NODATA where the name exists without such records, or FORWARDED.
        records: the answer's records; none of a forwarded query.
        origin: the objects that the answer comes from, or the upstream servers.

    """

    number: int
    name: str
    type: str
    code: str
    records: tuple[str, ...] = ()
    origin: str = ""


class Report(Value, frozen=True):
    """Everything about the look-up of a name by a pod; `answer` is the result in words."""

    name: str
    client: str
    answer: str
    resolver: ResolverLine
    queries: tuple[QueryLine, ...] = ()
    connections: tuple[ConnectionLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    is_planned: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether nothing keeps the name from being resolved."""
        return Verdict.NOT_ALLOWED if has_error(self.findings) else Verdict.ALLOWED
