"""Columns of admission policies. Source: k8s.io/kubernetes `pkg/printers/internalversion/printers.go`."""

from __future__ import annotations

from datetime import datetime

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.kinds.layout import AGE, NAME, Cell, Column, Layout
from podwire.apiserver.reads.columns import texts

_UNSET = "<unset>"


def _policy(obj: Field, now: datetime) -> tuple[Cell, ...]:
    spec, kind = obj["spec"], obj["spec"]["paramKind"]
    name = f"{kind['apiVersion'].text}/{kind['kind'].text}" if kind.given else _UNSET
    return texts.name(obj), len(list(spec["validations"])), name, texts.age(obj, now)


def _binding(obj: Field, now: datetime) -> tuple[Cell, ...]:
    spec, ref = obj["spec"], obj["spec"]["paramRef"]
    name = "/".join(filter(None, (ref["namespace"].text, ref["name"].text or "*"))) if ref.given else _UNSET
    return texts.name(obj), spec["policyName"].text, name, texts.age(obj, now)


POLICIES = Layout(
    (
        NAME,
        Column("Validations", "integer", description="How many expressions it has."),
        Column("ParamKind", description="The kind of the objects that its expressions read."),
        AGE,
    ),
    _policy,
)
BINDINGS = Layout(
    (
        NAME,
        Column("PolicyName", description="The policy that it applies."),
        Column("ParamRef", description="The objects that the policy's expressions read."),
        AGE,
    ),
    _binding,
)
