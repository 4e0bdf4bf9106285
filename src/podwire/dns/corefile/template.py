"""`template`: simple answers made of the question. Source: github.com/coredns/coredns `plugin/template/README.md`.

Of Go's templates these are served: `{{ .Name }}`, `{{ .Zone }}`, `{{ .Type }}`, `{{ .Class }}`, `{{ .Match }}`,
`{{ .Group.NAME }}`, `{{ index .Match N }}`, `{{ index .Group "NAME" }}`, `{{ .Question.Name }}`.
"""

from __future__ import annotations

import re

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.grammar import Directive, Line
from podwire.dns.corefile.pattern import Found
from podwire.dns.corefile.record_text import record_of_text
from podwire.dns.message import Rcode
from podwire.dns.names import FormatError
from podwire.dns.records import RecordType

OPTIONS = ("match", "answer", "additional", "authority", "rcode", "fallthrough")
_FIELD = re.compile(
    r"\{\{\s*(?:\.(?P<field>Name|Zone|Type|Class|Match|Question\.Name)|\.Group\.(?P<group>\w+)"
    r"|index\s+\.(?:Match\s+(?P<number>\d+)|Group\s+\"(?P<named>\w+)\"))\s*\}\}"
)


class TemplateSettings(msgspec.Struct, frozen=True):
    """One use of the plugin: records are texts of a zone file with fields in braces."""

    zones: tuple[bytes, ...]
    type: int
    matches: tuple[str, ...] = (".*",)
    answer: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    rcode: Rcode = Rcode.NOERROR
    fallthrough: tuple[bytes, ...] = ()


def template(directive: Directive, block: tuple[bytes, ...]) -> TemplateSettings:
    """Read `template CLASS TYPE [ZONES]` and its block."""
    words = directive.arguments
    if len(words) < 2:
        raise directive.error("must have a class and a type: template IN A example.org")
    if words[0].text.upper() not in {"IN", "ANY"}:
        raise words[0].error(f"class {words[0].text}: only IN is served")
    kind = words[1].text.upper()
    if kind not in RecordType.__members__:
        raise words[1].error(f"type {kind}: must be one of {', '.join(RecordType.__members__)}")
    found = TemplateSettings(values.all_zones(words[2:]) or block, RecordType[kind])
    matches: list[str] = []
    for line in directive.lines:
        found = _option(found, line, matches)
    return msgspec.structs.replace(found, matches=tuple(matches) or found.matches)


def _option(found: TemplateSettings, line: Line, matches: list[str]) -> TemplateSettings:
    replace = msgspec.structs.replace
    match line.name.text:
        case "match":
            matches += [values.compiled(word.text, word.error) for word in line.arguments]
            return found
        case "answer" | "additional" | "authority" as section:
            text = values.one(line)
            if "{{" in _FIELD.sub("", text.text):
                raise text.error(
                    f"{section}: a field of {text.text!r} is not served; see the DNS reference for those that are"
                )
            _try(line, text.text)
            return replace(found, **{section: (*getattr(found, section), text.text)})
        case "rcode":
            name = values.one(line)
            if name.text.upper() not in Rcode.__members__:
                raise name.error(f"rcode {name.text}: must be one of {', '.join(Rcode.__members__)}")
            return replace(found, rcode=Rcode[name.text.upper()])
        case "fallthrough":
            return replace(found, fallthrough=values.fallthrough(line))
        case _:
            raise values.unknown(line, "template", OPTIONS)


def _try(line: Line, text: str) -> None:
    """Make the record once, where no field decides whether it is one."""
    if "{{" in text:
        return
    try:
        record_of_text(text)
    except FormatError as error:
        raise line.name.error(f"{line.name.text}: {error}") from None


def fill(text: str, values_of: dict[str, str], found: Found) -> str:
    """Put the question's values in the place of the fields of a record."""

    def value(field: re.Match[str]) -> str:
        if field["field"]:
            return found.group(0) if field["field"] == "Match" else values_of[field["field"].removeprefix("Question.")]
        if field["number"]:
            return found.group(int(field["number"]))
        named = field["group"] or field["named"]
        return found.group(int(named) if named.isdecimal() else named)

    return _FIELD.sub(value, text)
