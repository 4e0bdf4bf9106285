"""Expressions of admission policies. Source: kubernetes.io "Validating Admission Policy"."""

from __future__ import annotations

import re

from podwire.apiserver.custom import cel

UNSUPPORTED = "authorizer"
"""A variable of Kubernetes that does not exist here."""
_REMEDY = f"variable {UNSUPPORTED} is not supported: compare request.userInfo"


def compiled(source: str) -> cel.Expression:
    """Return the expression of a text. Raises NotCompiledError."""
    try:
        return _supported(cel.compiled(source))
    except cel.NotCompiledError:
        if re.search(rf"\b{UNSUPPORTED}\.", source):  # its functions are not known either
            raise cel.NotCompiledError(_REMEDY) from None
        raise


def _supported(expression: cel.Expression) -> cel.Expression:
    if UNSUPPORTED in expression.variables:
        raise cel.NotCompiledError(_REMEDY)
    return expression
