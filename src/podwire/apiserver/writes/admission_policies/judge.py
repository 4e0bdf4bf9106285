"""All policies on one write: refused, with warnings, or logged.

Source: k8s.io/apiserver `admission/plugin/policy/validating/dispatcher.go`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import status
from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.custom import cel
from podwire.apiserver.storage.revisions import Key, Stored
from podwire.apiserver.writes.admission_policies import authorizer
from podwire.apiserver.writes.admission_policies.kinds import Binding, ParamRef, Policy
from podwire.apiserver.writes.admission_policies.matching import Subject, is_subject
from podwire.apiserver.writes.admission_policies.names import BINDINGS, POLICIES
from podwire.apiserver.writes.admission_policies.program import Program, Violation
from podwire.kube.selectors import matches

if TYPE_CHECKING:
    from podwire.apiserver.base.attributes import Authorize
    from podwire.apiserver.kinds.resources import Registry, Resource
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.admission import Write

Object = dict[str, Any]

log = logging.getLogger(__name__)

GROUP = "admissionregistration.k8s.io"
"""Policies do not apply to policies: a wrong one could not be mended."""
_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


class _NoParamsError(Exception):
    """The objects that a binding names as params do not exist; the text names them."""


class AdmissionPolicies:
    """The policies of a store, each compiled once."""

    def __init__(self, registry: Registry, store: Store, authorize: Authorize) -> None:
        self._registry = registry
        self._store = store
        self._functions = authorizer.functions(authorize)
        self._programs: dict[str, tuple[int, Program]] = {}

    def judge(self, write: Write, operation: str) -> tuple[str, ...]:
        """Return warnings about a write that is admitted. Raises StatusError 401, 403, 413 or 422.

        What the server itself writes is not judged.
        """
        bindings = self._store.objects(BINDINGS)
        if not bindings or write.user is None or write.resource.group == GROUP:
            return ()
        subject = self._subject(write, operation)
        warned: list[str] = []
        for binding in (msgspec.json.decode(one.body, type=Binding) for one in bindings):
            program = self._program(binding.spec.policy_name)
            if program is None or binding.metadata.deletion_timestamp:
                continue
            if is_subject(program.policy.spec.match_constraints, subject) and is_subject(
                binding.spec.match_resources, subject
            ):
                warned += self._apply(program, binding, subject, write)
        return tuple(warned)

    def _apply(self, program: Program, binding: Binding, subject: Subject, write: Write) -> Iterator[str]:
        """Yield warnings. Raises StatusError where the binding denies."""
        by = f"ValidatingAdmissionPolicy '{program.name}' with binding '{binding.metadata.name}'"
        actions = binding.spec.validation_actions
        for violation in self._violations(program, binding, subject, write):
            if "Audit" in actions:
                log.warning("audit: %s: %s", by, violation.message)
            if "Warn" in actions:
                yield f"Validation failed for {by}: {violation.message}"
            if "Deny" in actions:
                raise _denied(subject, f"{by} denied request: {violation.message}", violation)

    def _violations(self, program: Program, binding: Binding, subject: Subject, write: Write) -> Iterable[Violation]:
        try:
            params = list(self._params(program.policy, binding.spec.param_ref, subject))
        except _NoParamsError as error:
            fails = program.policy.spec.failure_policy != "Ignore"
            return [Violation(f"failed to configure binding: {error}", "Invalid")] if fails else []
        found: list[Violation] = []
        for one in params:
            values = self._values(subject, write, one)
            found += program.violations(values)
            for key, value in program.annotations(values).items():
                log.info("audit: %s=%s", key, value)
        return found

    def _program(self, name: str) -> Program | None:
        """Return a policy with its expressions compiled; None where there is none that can be."""
        stored = self._store.get(Key(POLICIES, "", name))
        if stored is None:
            self._programs.pop(name, None)
            return None
        version, program = self._programs.get(name, (0, None))
        if program is None or version != stored.version:
            try:
                program = Program(msgspec.json.decode(stored.body, type=Policy), self._functions)
            except cel.NotCompiledError:
                return None  # validation refuses it, so it was written by another version of this server
            self._programs[name] = (stored.version, program)
        return None if program.policy.metadata.deletion_timestamp else program

    def _subject(self, write: Write, operation: str) -> Subject:
        resource = write.resource
        obj = None if operation == "DELETE" else write.obj
        others = (one.version for one in self._registry.all() if one.storage == resource.storage)
        versions = tuple(dict.fromkeys((resource.version, *others)))
        labels = self._namespace_labels(write)
        connected = write.connected and (write.connected.namespace, write.connected.name)
        return Subject(resource, versions, write.subresource, operation, obj, write.old, labels, connected)

    def _namespace_labels(self, write: Write) -> dict[str, str] | None:
        key = write.connected
        metadata: Object = (write.obj.get("metadata") or {}) if key is None else {"namespace": key.namespace}
        if key is None and (write.resource.group, write.resource.kind) == ("", "Namespace"):
            return metadata.get("labels") or {}
        if not write.resource.namespaced:
            return None
        found = write.transaction.get(Key("namespaces", "", metadata.get("namespace", "")))
        return dict(found.labels) if found is not None else {}

    def _params(self, policy: Policy, ref: ParamRef | None, subject: Subject) -> Iterator[Object | None]:
        """Yield the objects that are `params`, one evaluation each; None where the policy has none."""
        kind = policy.spec.param_kind
        if kind is None or ref is None:
            yield None
            return
        resource = self._registry.by_kind(kind.api_version, kind.kind)
        if resource is None:
            raise _NoParamsError(f"no kind {kind.kind} in version {kind.api_version}")
        found = [one.object() for one in self._candidates(resource, ref, subject)]
        if not found and ref.parameter_not_found_action != "Allow":
            raise _NoParamsError(f"no params found for policy binding with `Deny` parameterNotFoundAction: {_of(ref)}")
        yield from found

    def _candidates(self, resource: Resource, ref: ParamRef, subject: Subject) -> Iterator[Stored]:
        namespace = (ref.namespace or subject.metadata.get("namespace", "")) if resource.namespaced else ""
        if ref.name:
            found = self._store.get(Key(resource.storage, namespace, ref.name))
            yield from (found,) if found is not None else ()
        elif ref.selector is not None:
            yield from (
                one for one in self._store.objects(resource.storage, namespace) if matches(ref.selector, one.labels)
            )

    def _values(self, subject: Subject, write: Write, params: Object | None) -> Object:
        """Return the variables of expressions."""
        name, namespace = subject.metadata.get("name", ""), subject.metadata.get("namespace", "")
        found = write.transaction.get(Key("namespaces", "", namespace)) if namespace else None
        return {
            "object": subject.obj,
            "oldObject": subject.old,
            "request": _request(subject, write, name, namespace),
            "params": params,
            "namespaceObject": found.object() if found is not None else None,
            "authorizer": authorizer.variable(write.user, subject) if write.user is not None else None,
        }


def _request(subject: Subject, write: Write, name: str, namespace: str) -> Object:
    resource = subject.resource
    name_of_kind = resource.kind if subject.connected is None or subject.obj is None else subject.obj["kind"]
    kind = {"group": resource.group, "version": resource.version, "kind": name_of_kind}
    plural = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    return {
        "kind": kind,
        "resource": plural,
        "subResource": subject.subresource,
        "requestKind": kind,
        "requestResource": plural,
        "requestSubResource": subject.subresource,
        "name": name,
        "namespace": namespace,
        "operation": subject.operation,
        "userInfo": {"username": "", "uid": "", "groups": [], "extra": {}, **(write.user.json() if write.user else {})},
        "dryRun": write.dry_run,
    }


def _of(ref: ParamRef) -> str:
    return f"name {ref.name}" if ref.name else "by its selector"


def _denied(subject: Subject, message: str, violation: Violation) -> status.StatusError:
    refusal = status.forbidden(subject.resource, subject.metadata.get("name", ""), message)
    details = msgspec.structs.replace(refusal.details, causes=(Cause("", "", violation.message),))
    code = _CODES.get(violation.reason, 422)
    return status.StatusError(code, violation.reason, refusal.message, details)
