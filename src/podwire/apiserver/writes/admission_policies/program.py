"""A policy with its expressions compiled, and what it decides about a request.

Source: k8s.io/apiserver `admission/plugin/policy/validating/validator.go`, `plugin.go`; KEP-3488.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from podwire.apiserver.custom import cel
from podwire.apiserver.custom.admission_expressions import AUTHORIZER, compiled, compiled_message
from podwire.apiserver.writes.admission_policies.kinds import Policy, Validation

Values = dict[str, Any]

LONGEST_MESSAGE = 5 * 1024


class Violation(msgspec.Struct, frozen=True):
    """A validation that is false or cannot be evaluated; `reason` is that of the answer."""

    message: str
    reason: str


class Program:
    """One policy. Compiling raises NotCompiledError. `functions` are those on the variable `authorizer`."""

    def __init__(self, policy: Policy, functions: Mapping[str, Any]) -> None:
        self.policy = policy
        self._functions = functions
        self.name = policy.metadata.name
        spec = policy.spec
        self._conditions = [(one.name, compiled(one.expression)) for one in spec.match_conditions]
        self._variables = [(one.name, compiled(one.expression)) for one in spec.variables]
        self._validations = [
            (
                one,
                compiled(one.expression),
                compiled_message(one.message_expression) if one.message_expression else None,
            )
            for one in spec.validations
        ]
        self._annotations = [(one.key, compiled(one.value_expression)) for one in spec.audit_annotations]

    def violations(self, values: Mapping[str, Any]) -> Iterator[Violation]:
        """Yield what is violated, by `object`, `oldObject`, `request`, `params`, `namespaceObject` and `authorizer`.

        None where a match condition is false, though another one fails. With failurePolicy Ignore an expression that
        fails admits.
        """
        known = self._known(values)
        longest = _longest(values)
        try:
            scope = cel.scope(known, self._functions)
            if not self._matches(scope, longest):
                return
        except cel.EvaluationError as error:
            yield from self._failed(f"match condition: {error}")
            return
        for validation, expression, message in self._validations:
            try:
                is_true = _value(expression, scope, longest)
            except cel.EvaluationError as error:
                yield from self._failed(f"expression '{validation.expression.strip()}' resulted in error: {error}")
                continue
            if is_true is not True:
                yield Violation(_message(validation, message, scope, longest), validation.reason or "Invalid")

    def _matches(self, scope: Any, longest: int) -> bool:
        """Whether all match conditions are true (`matchconditions/matcher.go`): one that is false decides.

        Raises EvaluationError where none is false and one of them fails.
        """
        failed: cel.EvaluationError | None = None
        for _, one in self._conditions:
            try:
                if _value(one, scope, longest) is not True:
                    return False
            except cel.EvaluationError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return True

    def annotations(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the audit annotations of a request; those that are null or fail are left out."""
        if not self._annotations:
            return {}
        scope, longest, found = cel.scope(self._known(values), self._functions), _longest(values), {}
        for key, expression in self._annotations:
            try:
                value = _value(expression, scope, longest)
            except cel.EvaluationError:
                continue
            if isinstance(value, str) and value:
                found[f"{self.name}/{key}"] = value
        return found

    def _known(self, values: Mapping[str, Any]) -> Values:
        """Return the values with `variables`; one that cannot be evaluated is not in it, and what reads it fails."""
        known: Values = {**values, "variables": {}}
        longest = _longest(values)
        for name, expression in self._variables:
            try:
                value = _value(expression, cel.scope(known, self._functions), longest)
            except cel.EvaluationError:
                continue
            known["variables"] = {**known["variables"], name: value}
        return known

    def _failed(self, why: str) -> Iterator[Violation]:
        if self.policy.spec.failure_policy != "Ignore":
            yield Violation(why, "Invalid")


def _value(expression: cel.Expression, scope: Any, longest: int) -> Any:
    if not expression.affordable(longest):
        raise cel.EvaluationError("call cost exceeds limit")
    return expression.evaluate_in(scope)


def _message(validation: Validation, expression: cel.Expression | None, scope: Any, longest: int) -> str:
    if expression is not None:
        try:
            made = _value(expression, scope, longest)
        except cel.EvaluationError:
            made = None
        if isinstance(made, str) and made.strip() and "\n" not in made and len(made) <= LONGEST_MESSAGE:
            return made.strip()
    return validation.message.strip() or f"failed expression: {validation.expression.strip()}"


def _longest(value: Any) -> int:
    """Return the length of the longest list or map in a value."""
    if isinstance(value, dict):
        return max((len(value), *(_longest(one) for name, one in value.items() if name != AUTHORIZER)), default=0)
    if isinstance(value, list):
        return max((len(value), *(_longest(one) for one in value)), default=0)
    return 0
