"""The plugin `template`: answers made of the question's own parts."""

from __future__ import annotations

import logging

from podwire.dns.corefile.kubernetes import covered
from podwire.dns.corefile.pattern import pattern
from podwire.dns.corefile.record_text import record_of_text
from podwire.dns.corefile.template import TemplateSettings, fill
from podwire.dns.message import Query, Response, record
from podwire.dns.names import FormatError, compress, to_text
from podwire.dns.outcome import FAILED, Found
from podwire.dns.records import RecordType

log = logging.getLogger(__name__)


class TemplateSource:
    """Answers questions of one type whose name matches a pattern."""

    def __init__(self, settings: TemplateSettings) -> None:
        self._settings = settings
        self._patterns = tuple(map(pattern, settings.matches))

    def answer(self, query: Query, client: str) -> Found:  # noqa: ARG002 of all plugins
        """The records of the first pattern that matches; SERVFAIL where a name is in the zones and none matches."""
        settings = self._settings
        zone = next((zone for zone in settings.zones if covered(query.key, (zone,))), None)
        if zone is None or (settings.type not in {query.type, RecordType.ANY}):
            return None
        name = to_text(query.name)
        found = next(filter(None, (one.search(name) for one in self._patterns)), None)
        if found is None:
            return None if covered(query.key, settings.fallthrough) else FAILED
        values = {"Name": name, "Zone": to_text(zone), "Type": _type_name(query.type), "Class": "IN"}
        try:
            answer, authority, additional = (
                tuple(self._record(fill(text, values, found), query) for text in texts)
                for texts in (settings.answer, settings.authority, settings.additional)
            )
        except FormatError as error:
            log.warning("template: %s", error)
            return FAILED
        return Response(settings.rcode, answer, authority, additional, authoritative=True)

    def _record(self, text: str, query: Query) -> bytes:
        made = record_of_text(text)
        return record(compress(made.owner, query.name), made.data.type, made.ttl, made.data.wire())


def _type_name(kind: int) -> str:
    return RecordType(kind).name if kind in set(RecordType) else f"TYPE{kind}"
