"""Istio's VirtualService as HTTPRoutes of Services. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from podwire.kube.meta import NamespacedName
from podwire.mesh.istio.backends import Backends
from podwire.mesh.istio.durations import duration
from podwire.mesh.istio.hosts import service_of
from podwire.mesh.istio.precedence import refuse_other_order
from podwire.mesh.istio.surroundings import Surroundings
from podwire.mesh.istio.written import ConversionError, Converted, Object, made_route, namespace_of

Lost = list[tuple[str, str]]
_URI = {"exact": "Exact", "prefix": "PathPrefix", "regex": "RegularExpression"}
_TEXT = {"exact": "Exact", "regex": "RegularExpression"}
_NOT_IN_MATCHES = (
    "scheme", "authority", "port", "sourceLabels", "sourceNamespace", "gateways", "withoutHeaders", "ignoreUriCase",
)  # fmt: skip
_CHANGES_ALL = ("corsPolicy", "delegate", "directResponse", "fault", "mirror_percent")
"""Without them a rule is another one."""


def converted(source: Mapping[str, Any], around: Surroundings) -> Converted:
    """Return one route for all hosts that are Services; none where a rule of it would mean something else."""
    spec = source.get("spec") or {}
    namespace = namespace_of(source)
    gateways = [str(one) for one in spec.get("gateways") or ()]
    others = ", ".join(one for one in gateways if one != "mesh")
    reason = f"{others}: write an HTTPRoute whose parent is a Gateway of the Gateway API"
    if gateways and "mesh" not in gateways:
        return Converted((), (("spec", f"the route is left out: it is of gateways alone. {reason}"),))
    lost: Lost = [("spec.gateways", reason)] if others else []
    services = []
    for number, host in enumerate(spec.get("hosts") or ()):
        try:
            services.append(service_of(str(host), namespace))
        except ConversionError as error:
            lost.append((f"spec.hosts[{number}]", str(error)))
    if not services or not spec.get("http"):
        lost.append(("spec.http", "the route is left out: it has no host that is a Service, or no rule"))
        return Converted((), tuple(lost))
    rules, wrong = _rules(spec["http"], Backends(services[0], around))
    if wrong:
        left_out = "the route is left out: without a rule or a match of it requests would go elsewhere"
        return Converted((), (*lost, *wrong, ("spec", left_out)))
    parents = [_parent(one, namespace) for one in services]
    return Converted((made_route(source, {"parentRefs": parents, "rules": rules}),), tuple(lost))


def _rules(written: Iterable[Mapping[str, Any]], backends: Backends) -> tuple[list[Object], Lost]:
    """Return the rules, and what of them cannot be expressed."""
    rules = []
    wrong: Lost = []
    for number, rule in enumerate(written):
        try:
            rules.append(_rule(rule, backends))
            refuse_other_order(rules)
        except ConversionError as error:
            wrong.append((f"spec.http[{number}]", str(error)))
    return rules, wrong


def _parent(service: NamespacedName, namespace: str) -> Object:
    other = {"namespace": service.namespace} if service.namespace != namespace else {}
    return {"group": "", "kind": "Service", "name": service.name, **other}


def _rule(rule: Mapping[str, Any], backends: Backends) -> Object:
    """Raises ConversionError where the rule would mean something else."""
    if wrong := [name for name in _CHANGES_ALL if rule.get(name)]:
        raise ConversionError(f"{', '.join(wrong)} cannot be converted: write the route by hand")
    found: Object = {"name": rule["name"]} if rule.get("name") else {}
    matches = [_match(one) for one in rule.get("match") or ()]
    if matches:
        found["matches"] = matches
    if filters := [*_filters(rule, matches), *backends.mirrors(rule)]:
        found["filters"] = filters
    if not rule.get("redirect"):
        found["backendRefs"] = [backends.weighted(one) for one in rule.get("route") or ()]
    if timeout := rule.get("timeout"):
        found["timeouts"] = {"request": duration(str(timeout))}
    if retries := rule.get("retries"):
        found["retry"] = {"attempts": retries.get("attempts", 2)}
        if per_try := retries.get("perTryTimeout"):
            found.setdefault("timeouts", {})["backendRequest"] = duration(str(per_try))
    return found


def _match(one: Mapping[str, Any]) -> Object:
    if wrong := [name for name in _NOT_IN_MATCHES if one.get(name)]:
        raise ConversionError(f"{', '.join(wrong)} cannot be expressed")
    found: Object = {}
    if uri := one.get("uri"):
        kind, value = _text(uri, _URI)
        found["path"] = {"type": kind, "value": value if kind != "PathPrefix" else value.rstrip("/") or "/"}
    if method := one.get("method"):
        kind, value = _text(method, _TEXT)
        if kind != "Exact":
            raise ConversionError("a method is exact")
        found["method"] = value
    for field, name in (("headers", "headers"), ("queryParams", "queryParams")):
        if values := one.get(field):
            found[name] = [_named(each, value) for each, value in values.items()]
    return found


def _named(name: str, value: Mapping[str, Any]) -> Object:
    if not value:
        return {"name": name, "type": "RegularExpression", "value": ".*"}
    if "prefix" in value:
        raise ConversionError(f"{name} by prefix cannot be expressed; write a regex")
    kind, text = _text(value, _TEXT)
    return {"name": name, "type": kind, "value": text}


def _text(value: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[str, str]:
    for name, kind in kinds.items():
        if name in value:
            return kind, str(value[name])
    raise ConversionError(f"{', '.join(value)} cannot be expressed")


def _filters(rule: Mapping[str, Any], matches: Iterable[Object]) -> Iterator[Object]:
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
        yield {"type": "URLRewrite", "urlRewrite": _rewrite(rewrite, matches)}
    if redirect := rule.get("redirect"):
        yield {"type": "RequestRedirect", "requestRedirect": _redirect(redirect)}


def _rewrite(written: Mapping[str, Any], matches: Iterable[Object]) -> Object:
    if written.get("uriRegexRewrite"):
        raise ConversionError("rewrite.uriRegexRewrite cannot be expressed")
    found: Object = {"hostname": written["authority"]} if written.get("authority") else {}
    if uri := written.get("uri"):
        kinds = {(one.get("path") or {}).get("type", "PathPrefix") for one in matches} or {"PathPrefix"}
        if kinds == {"Exact"}:
            found["path"] = {"type": "ReplaceFullPath", "replaceFullPath": uri}
        elif kinds == {"PathPrefix"}:
            found["path"] = {"type": "ReplacePrefixMatch", "replacePrefixMatch": uri}
        else:
            raise ConversionError("rewrite.uri needs matches that are all exact, or all prefixes: split the rule")
    return found


def _redirect(written: Mapping[str, Any]) -> Object:
    if written.get("derivePort"):
        raise ConversionError("redirect.derivePort cannot be expressed")
    found: Object = {"statusCode": written.get("redirectCode", 301)}
    for field, name in (("authority", "hostname"), ("scheme", "scheme"), ("port", "port")):
        if written.get(field):
            found[name] = written[field]
    if uri := written.get("uri"):
        found["path"] = {"type": "ReplaceFullPath", "replaceFullPath": uri}
    return found
