"""Judge writes by the ValidatingAdmissionPolicies that are bound. Without a binding nothing is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.writes.admission_policies.names import BINDINGS

if TYPE_CHECKING:
    from podwire.apiserver.base.attributes import Authorize
    from podwire.apiserver.kinds.resources import Registry
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.admission import Judge, Write


def bound_policies(registry: Registry, store: Store, authorize: Authorize) -> Judge:
    """Return what judges the writes to a store; `authorize` is what the variable `authorizer` reads."""
    found: list[Judge] = []

    def judge(write: Write, operation: str) -> tuple[str, ...]:
        if not store.objects(BINDINGS):
            return ()
        if not found:
            from podwire.apiserver.writes.admission_policies.judge import AdmissionPolicies

            found.append(AdmissionPolicies(registry, store, authorize).judge)
        return found[0](write, operation)

    return judge
