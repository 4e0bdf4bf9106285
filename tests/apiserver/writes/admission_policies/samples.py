"""Policies and bindings of the tests."""

from __future__ import annotations

from typing import Any

from tests.apiserver.conftest import Talk

Object = dict[str, Any]

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{GROUP}/validatingadmissionpolicies", f"{GROUP}/validatingadmissionpolicybindings"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def rule(*resources: str, operations: tuple[str, ...] = ("CREATE", "UPDATE"), group: str = "", **more: Any) -> Object:
    parts = {"apiGroups": [group], "apiVersions": ["v1"], "operations": list(operations), "resources": list(resources)}
    return {**parts, **more}


def policy(*validations: str | Object, rules: tuple[Object, ...] = (rule("configmaps"),), **spec: Any) -> Object:
    checks = [{"expression": one} if isinstance(one, str) else one for one in validations]
    whole = {"matchConstraints": {"resourceRules": list(rules)}, "validations": checks, **spec}
    return {"metadata": {"name": "checked"}, "spec": whole}


def binding(*actions: str, **spec: Any) -> Object:
    whole = {"policyName": "checked", "validationActions": list(actions or ("Deny",)), **spec}
    return {"metadata": {"name": "everywhere"}, "spec": whole}


def config_map(name: str = "a", labels: dict[str, str] | None = None, **data: str) -> Object:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


async def bound(talk: Talk, checked: Object, by: Object | None = None) -> None:
    """Create a policy and its binding."""
    await talk.ok("POST", POLICIES, checked)
    await talk.ok("POST", BINDINGS, by or binding())


async def denied(talk: Talk, method: str, path: str, body: Any = None, **headers: str) -> str:
    """Return why the policy denies a request."""
    _, _, message = await talk.refused(method, path, body, **headers)
    assert "ValidatingAdmissionPolicy 'checked' with binding 'everywhere' denied request: " in message
    return message.partition("denied request: ")[2]
