"""CustomResourceDefinitions; the rules of their schemas are in `custom.schema_rules`.

Source: k8s.io/apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.custom import json_path, schema_rules, simple_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

APPROVAL = "api-approved.kubernetes.io"
PROTECTED_SUFFIXES = (".k8s.io", ".kubernetes.io")

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")


def problems(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Return everything that is wrong with a definition, and with its changes from `old`."""
    spec = obj["spec"]
    yield from _naming(obj)
    yield from _group(spec["group"])
    yield from _approval(obj)
    yield from spec["scope"].one_of(("Cluster", "Namespaced"))
    yield from _names(spec["names"])
    yield from _versions(spec)
    yield from _conversion(spec["conversion"])
    yield from _stored_versions(obj)
    if old is not None:
        yield from _unchanged(spec, old)


def _naming(obj: Field) -> Iterator[Cause]:
    spec, name = obj["spec"], obj["metadata"]["name"]
    if name.text != f"{spec['names']['plural'].text}.{spec['group'].text}":
        yield name.invalid('must be spec.names.plural+"."+spec.group')


def _group(group: Field) -> Iterator[Cause]:
    if not group:
        yield group.required()
        return
    wrong = formats.dns_subdomain(group.text)
    yield from group.invalid_each(wrong)
    if not wrong and "." not in group.text:
        yield group.invalid("should be a domain with at least one dot")


def _approval(obj: Field) -> Iterator[Cause]:
    group = obj["spec"]["group"].text
    protected = group.endswith(PROTECTED_SUFFIXES) or f".{group}" in PROTECTED_SUFFIXES
    if protected and not obj["metadata"]["annotations"].key(APPROVAL):
        yield field_errors.required(
            f"metadata.annotations[{APPROVAL}]",
            f'protected groups must have approval annotation "{APPROVAL}", '
            "see https://github.com/kubernetes/enhancements/pull/1111",
        )


def _names(names: Field) -> Iterator[Cause]:
    for part in ("plural", "singular", "kind", "listKind"):
        yield from _name(names[part])
    for part in ("shortNames", "categories"):
        for name in names[part]:
            yield from name.invalid_each(formats.dns_1035_label(name.text))
    if names["kind"] and names["kind"].text == names["listKind"].text:
        yield names["listKind"].invalid("kind and listKind may not be the same")


def _name(name: Field) -> Iterator[Cause]:
    if not name:
        yield name.required()
    else:
        yield from name.invalid_each(formats.dns_1035_label(name.text.lower()))


def _versions(spec: Field) -> Iterator[Cause]:
    versions = spec["versions"]
    names = [version["name"].text for version in versions]
    if len(set(names)) < len(names):
        yield versions.invalid("must contain unique version names")
    if sum(bool(version["storage"]) for version in versions) != 1:
        yield versions.invalid("must have exactly one version marked as storage version")
    for version in versions:
        yield from version["name"].invalid_each(formats.dns_1035_label(version["name"].text))
        yield from _version(version)


def _version(version: Field) -> Iterator[Cause]:
    schema = version["schema"]["openAPIV3Schema"]
    if not schema.given:
        yield schema.required("schemas are required")
    else:
        yield from schema_rules.problems(schema)
    for column in version["additionalPrinterColumns"]:
        yield from _column(column)
    for field in version["selectableFields"]:
        yield from _simple(field["jsonPath"], ())
    scale = version["subresources"]["scale"]
    if scale.given:
        yield from _simple(scale["specReplicasPath"], (".spec.",))
        yield from _simple(scale["statusReplicasPath"], (".status.",))
        if scale["labelSelectorPath"]:
            yield from _simple(scale["labelSelectorPath"], (".spec.", ".status."))


def _column(column: Field) -> Iterator[Cause]:
    if not column["name"]:
        yield column["name"].required()
    yield from column["type"].one_of(_COLUMN_TYPES)
    if column["format"] and column["format"].text not in _COLUMN_FORMATS:
        yield column["format"].unsupported(_COLUMN_FORMATS)
    path = column["jsonPath"]
    if not path:
        yield path.required()
        return
    try:
        json_path.steps(path.text)
    except json_path.JsonPathError as error:
        yield path.invalid(f"illegal JSONPath: {error}")


def _simple(path: Field, beginnings: tuple[str, ...]) -> Iterator[Cause]:
    if not path:
        yield path.required()
    elif not simple_path.is_simple(path.text):
        yield path.invalid("should be a simple json path: fields only, such as .spec.replicas")
    elif beginnings and not path.text.startswith(beginnings):
        places = " or ".join(beginning.rstrip(".") for beginning in beginnings)
        yield path.invalid(f"should be a json path under {places}")


def _conversion(conversion: Field) -> Iterator[Cause]:
    """Conversion webhooks are not called here: they are refused rather than ignored."""
    if conversion["strategy"].text not in {"", "None"}:
        yield conversion["strategy"].unsupported(("None",))


def _stored_versions(obj: Field) -> Iterator[Cause]:
    known = {version["name"].text for version in obj["spec"]["versions"]}
    for version in obj["status"]["storedVersions"]:
        if version.text not in known:
            detail = f"missing from spec.versions; {version.text} was previously a storage version, and must remain in "
            yield version.invalid(
                f"{detail}spec.versions until a storage migration ensures no data remains persisted in "
                f"{version.text} and removes {version.text} from status.storedVersions"
            )


def _unchanged(spec: Field, old: Field) -> Iterator[Cause]:
    """Check that what stored objects rely on is unchanged."""
    established = any(
        one["type"].text == "Established" and one["status"].text == "True" for one in old["status"]["conditions"]
    )
    parts = [(spec["group"], old["spec"]["group"]), (spec["names"]["plural"], old["spec"]["names"]["plural"])]
    if established:
        parts += [(spec["scope"], old["spec"]["scope"]), (spec["names"]["kind"], old["spec"]["names"]["kind"])]
    for now, before in parts:
        if now.value != before.value:
            yield now.invalid(formats.IMMUTABLE)
