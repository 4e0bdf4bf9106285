"""Expressions of admission policies. Source: kubernetes.io "Validating Admission Policy"."""

from __future__ import annotations

from podwire.apiserver.custom import cel

AUTHORIZER = "authorizer"
FUNCTIONS = frozenset(
    {
        "serviceAccount", "path", "group", "resource", "subresource", "namespace", "name", "fieldSelector",
        "labelSelector", "check", "allowed", "reason", "errored", "error",
    }
)  # fmt: skip
"""On the variable `authorizer` (k8s.io/apiserver `pkg/cel/library/authz.go`)."""


def compiled(source: str) -> cel.Expression:
    """Return the expression of a text. Raises NotCompiledError."""
    return cel.compiled(source, FUNCTIONS)


def compiled_message(source: str) -> cel.Expression:
    """Return the expression of a message, which cannot read `authorizer`. Raises NotCompiledError."""
    expression = compiled(source)
    if AUTHORIZER in expression.variables:
        raise cel.NotCompiledError(f"undeclared reference to '{AUTHORIZER}': a message cannot read it")
    return expression
