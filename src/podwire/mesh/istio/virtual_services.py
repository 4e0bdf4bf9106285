"""Istio's VirtualService as HTTPRoutes of Services. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podwire.kube.meta import NamespacedName
from podwire.mesh.istio.hosts import service_of
from podwire.mesh.istio.written import ConversionError, Converted, Object, made_route, namespace_of

Lost = list[tuple[str, str]]
_URI = {"exact": "Exact", "prefix": "PathPrefix", "regex": "RegularExpression"}
_TEXT = {"exact": "Exact", "regex": "RegularExpression"}
_NOT_IN_MATCHES = (
    "scheme", "authority", "port", "sourceLabels", "sourceNamespace", "gateways", "withoutHeaders", "ignoreUriCase",
)  # fmt: skip
_CHANGES_ALL = ("corsPolicy", "delegate", "directResponse", "fault")
"""Without them a rule is another one: it is left out."""


def converted(source: Mapping[str, Any]) -> Converted:
    """Return one route for all hosts that are Services; none where there is no HTTP rule for one."""
    spec = source.get("spec") or {}
    namespace = namespace_of(source)
    lost: Lost = []
    services = []
    for number, host in enumerate(spec.get("hosts") or ()):
        try:
            services.append(service_of(str(host), namespace))
        except ConversionError as error:
            lost.append((f"spec.hosts[{number}]", str(error)))
    if not services:
        return Converted((), tuple(lost))
    rules = []
    for number, rule in enumerate(spec.get("http") or ()):
        path = f"spec.http[{number}]"
        try:
            rules.append(_rule(rule, path, services[0], lost))
        except ConversionError as error:
            lost.append((path, f"the rule is left out: {error}"))
    if not rules:
        return Converted((), tuple(lost))
    parents = [_parent(one, namespace) for one in services]
    return Converted((made_route(source, {"parentRefs": parents, "rules": rules}),), tuple(lost))


def _parent(service: NamespacedName, namespace: str) -> Object:
    other = {"namespace": service.namespace} if service.namespace != namespace else {}
    return {"group": "", "kind": "Service", "name": service.name, **other}


def _rule(rule: Mapping[str, Any], path: str, service: NamespacedName, lost: Lost) -> Object:
    """Raises ConversionError where the rule would mean something else."""
    if wrong := [name for name in _CHANGES_ALL if rule.get(name)]:
        raise ConversionError(f"{', '.join(wrong)} cannot be converted")
    found: Object = {"name": rule["name"]} if rule.get("name") else {}
    if written := rule.get("match"):
        matches = []
        for number, one in enumerate(written):
            try:
                matches.append(_match(one))
            except ConversionError as error:
                lost.append((f"{path}.match[{number}]", str(error)))
        if not matches:
            raise ConversionError("none of its matches can be converted")
        found["matches"] = matches
    if filters := list(_filters(rule)):
        found["filters"] = filters
    if not rule.get("redirect"):
        found["backendRefs"] = [_backend(one, service) for one in rule.get("route") or ()]
    if timeout := rule.get("timeout"):
        found["timeouts"] = {"request": timeout}
    if retries := rule.get("retries"):
        found["retry"] = {"attempts": retries.get("attempts", 2)}
        if per_try := retries.get("perTryTimeout"):
            found.setdefault("timeouts", {})["backendRequest"] = per_try
    return found


def _match(one: Mapping[str, Any]) -> Object:
    if wrong := [name for name in _NOT_IN_MATCHES if one.get(name)]:
        raise ConversionError(f"the match is left out: {', '.join(wrong)} cannot be said")
    found: Object = {}
    if uri := one.get("uri"):
        kind, value = _text(uri, _URI)
        found["path"] = {"type": kind, "value": value if kind != "PathPrefix" else value.rstrip("/") or "/"}
    if method := one.get("method"):
        kind, value = _text(method, _TEXT)
        if kind != "Exact":
            raise ConversionError("the match is left out: a method is exact")
        found["method"] = value
    for field, name in (("headers", "headers"), ("queryParams", "queryParams")):
        if values := one.get(field):
            found[name] = [_named(each, value) for each, value in values.items()]
    return found


def _named(name: str, value: Mapping[str, Any]) -> Object:
    if not value:
        return {"name": name, "type": "RegularExpression", "value": ".*"}
    if "prefix" in value:
        raise ConversionError(f"the match is left out: {name} by prefix cannot be said; write a regex")
    kind, text = _text(value, _TEXT)
    return {"name": name, "type": kind, "value": text}


def _text(value: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[str, str]:
    for name, kind in kinds.items():
        if name in value:
            return kind, str(value[name])
    raise ConversionError(f"the match is left out: {', '.join(value)} cannot be said")


def _backend(one: Mapping[str, Any], service: NamespacedName) -> Object:
    destination = one.get("destination") or {}
    if destination.get("subset"):
        raise ConversionError(f"subset {destination['subset']} needs a Service of its own")
    target = service_of(str(destination.get("host", "")), service.namespace)
    port = (destination.get("port") or {}).get("number")
    if port is None:
        raise ConversionError(f"destination.port.number of {target.name} is needed: a backendRef has a port")
    found: Object = {"name": target.name, "port": port}
    if target.namespace != service.namespace:
        found["namespace"] = target.namespace
    if "weight" in one:
        found["weight"] = one["weight"]
    return found


def _filters(rule: Mapping[str, Any]) -> Iterator[Object]:
    for field, name in (("request", "RequestHeaderModifier"), ("response", "ResponseHeaderModifier")):
        if changes := (rule.get("headers") or {}).get(field):
            made: Object = {
                each: [{"name": key, "value": value} for key, value in changes[each].items()]
                for each in ("set", "add")
                if changes.get(each)
            }
            if changes.get("remove"):
                made["remove"] = list(changes["remove"])
            yield {"type": name, f"{name[0].lower()}{name[1:]}": made}
    if rewrite := rule.get("rewrite"):
        yield {"type": "URLRewrite", "urlRewrite": _rewrite(rewrite)}
    if redirect := rule.get("redirect"):
        yield {"type": "RequestRedirect", "requestRedirect": _redirect(redirect)}


def _rewrite(written: Mapping[str, Any]) -> Object:
    if written.get("uriRegexRewrite"):
        raise ConversionError("rewrite.uriRegexRewrite cannot be said")
    found: Object = {"hostname": written["authority"]} if written.get("authority") else {}
    if uri := written.get("uri"):
        found["path"] = {"type": "ReplacePrefixMatch", "replacePrefixMatch": uri}
    return found


def _redirect(written: Mapping[str, Any]) -> Object:
    if written.get("derivePort"):
        raise ConversionError("redirect.derivePort cannot be said")
    found: Object = {"statusCode": written.get("redirectCode", 301)}
    for field, name in (("authority", "hostname"), ("scheme", "scheme"), ("port", "port")):
        if written.get(field):
            found[name] = written[field]
    if uri := written.get("uri"):
        found["path"] = {"type": "ReplaceFullPath", "replaceFullPath": uri}
    return found
