"""What a Corefile means to this server: its blocks with the options of their plugins. Pure.

The order of plugins is fixed, whatever their order in the file: rewrite, autopath, template, hosts, kubernetes,
forward.
Source: github.com/coredns/coredns `plugin.cfg`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.cache import CacheSettings, cache
from podwire.dns.corefile.forward import ForwardSettings, forward
from podwire.dns.corefile.grammar import Directive, ServerBlock, parse
from podwire.dns.corefile.hosts import HostsSettings, hosts
from podwire.dns.corefile.kubernetes import KubernetesSettings, kubernetes
from podwire.dns.corefile.logs import ErrorsSettings, LogSettings, errors, log
from podwire.dns.corefile.rewrite import RewriteRule, rewrite
from podwire.dns.corefile.template import TemplateSettings, template
from podwire.dns.corefile.tokens import CorefileError, Token

PLUGINS = (
    "autopath",
    "cache",
    "errors",
    "forward",
    "health",
    "hosts",
    "kubernetes",
    "log",
    "loadbalance",
    "loop",
    "prometheus",
    "ready",
    "reload",
    "rewrite",
    "template",
)


class BlockSettings(msgspec.Struct, frozen=True):
    """One server block: its zones in wire form, its port, and its plugins in the order in which they are used.

    `autopath` is on where names of the pods' search lists are completed here; `turned` where several records of a
    name change places with each query; `loop_checked` where a loop of forwarders is looked for.
    """

    zones: tuple[bytes, ...]
    port: int
    line: int = 0
    rewrites: tuple[RewriteRule, ...] = ()
    autopath: bool = False
    templates: tuple[TemplateSettings, ...] = ()
    hosts: tuple[HostsSettings, ...] = ()
    kubernetes: KubernetesSettings | None = None
    forwards: tuple[ForwardSettings, ...] = ()
    cache: CacheSettings | None = None
    logs: tuple[LogSettings, ...] = ()
    errors: ErrorsSettings | None = None
    turned: bool = False
    loop_checked: bool = False


class Configuration(msgspec.Struct, frozen=True):
    """A whole Corefile. Ports of probes and metrics are None where it names none; `linger` likewise.

    `reload_seconds` is 0 where a change is used after a restart only.
    """

    blocks: tuple[BlockSettings, ...]
    health_port: int | None = None
    ready_port: int | None = None
    metrics_port: int | None = None
    linger: float | None = None
    reload_seconds: float = 0.0

    @property
    def kubernetes(self) -> KubernetesSettings | None:
        """The options of the plugin `kubernetes`, which are the same in all blocks."""
        return next((block.kubernetes for block in self.blocks if block.kubernetes is not None), None)

    @property
    def needs_pods(self) -> bool:
        """Whether addresses of pods must be known."""
        verified = self.kubernetes is not None and self.kubernetes.pods == "verified"
        return verified or any(block.autopath for block in self.blocks)


def configuration(
    text: str,
    port: int = 53,
    files: Mapping[str, str] = {},
    environment: Mapping[str, str] = {},
) -> Configuration:
    """Read a Corefile; `port` is that of blocks which name none. Raises CorefileError."""
    found = parse(text, files, environment)
    if not found:
        raise CorefileError(0, "must have a server block: .:53 { ... }")
    blocks: list[BlockSettings] = []
    whole = Configuration(())
    for block in found:
        for zones, of_port in _keys(block, port).items():
            settings = BlockSettings(zones, of_port, block.keys[0].line)
            for directive in block.directives:
                settings, whole = _plugin(directive, settings, whole)
            blocks.append(settings)
    _compare(blocks)
    return msgspec.structs.replace(whole, blocks=tuple(blocks))


def _keys(block: ServerBlock, port: int) -> dict[tuple[bytes, ...], int]:
    """The zones of a block by port: one set of zones for each port."""
    by_port: dict[int, list[bytes]] = {}
    for key in block.keys:
        zone, of_port = _key(key, port)
        by_port.setdefault(of_port, []).extend(zone)
    return {tuple(dict.fromkeys(zones)): of_port for of_port, zones in by_port.items()}


def _key(key: Token, port: int) -> tuple[tuple[bytes, ...], int]:
    """Read `[dns://]ZONE[:PORT]`."""
    text = key.text.removeprefix("dns://")
    if "://" in text:
        raise key.error(f"{key.text}: only plain DNS is served; remove {text.partition('://')[0]}://")
    zone, separator, digits = text.rpartition(":")
    if not separator or not digits.isdecimal():
        zone, digits = text, str(port)
    return values.zones(Token(zone or ".", key.line, key.file)), values.number(
        Token(digits, key.line, key.file), 1, 65535
    )


_MOST_ARGUMENTS = {"autopath": 1, "loadbalance": 1, "loop": 0, "ready": 1, "prometheus": 1, "reload": 2}
"""Of the plugins without options."""


def _plugin(directive: Directive, block: BlockSettings, whole: Configuration) -> tuple[BlockSettings, Configuration]:
    if directive.name.text in _OF_BLOCKS:
        block = _of_block(directive, block)
    else:
        whole = _listener(directive, whole)
    most = _MOST_ARGUMENTS.get(directive.name.text)
    if most is not None and (directive.lines or len(directive.arguments) > most):
        raise directive.error(f"must have {most} arguments at most, and no options")
    return block, whole


_LISTS: Mapping[str, tuple[str, Callable[[Directive, BlockSettings], object]]] = {
    "rewrite": ("rewrites", lambda directive, _: rewrite(directive)),
    "template": ("templates", lambda directive, block: template(directive, block.zones)),
    "hosts": ("hosts", lambda directive, block: hosts(directive, block.zones)),
    "forward": ("forwards", lambda directive, _: forward(directive)),
    "log": ("logs", lambda directive, _: log(directive)),
}
"""Plugins that a block may have more than once: the field that lists them, and what reads one."""

_SINGLE: Mapping[str, tuple[str, Callable[[Directive, BlockSettings], object]]] = {
    "autopath": ("autopath", lambda directive, _: _autopath(directive)),
    "kubernetes": ("kubernetes", lambda directive, block: kubernetes(directive, block.zones)),
    "cache": ("cache", lambda directive, block: cache(directive, block.zones)),
    "errors": ("errors", lambda directive, _: errors(directive)),
    "loadbalance": ("turned", lambda directive, _: _loadbalance(directive)),
    "loop": ("loop_checked", lambda _, __: True),
}
_OF_BLOCKS = _LISTS.keys() | _SINGLE.keys()


def _of_block(directive: Directive, block: BlockSettings) -> BlockSettings:
    name = directive.name.text
    if name in _LISTS:
        field, read = _LISTS[name]
        return msgspec.structs.replace(block, **{field: (*getattr(block, field), read(directive, block))})
    field, read = _SINGLE[name]
    if getattr(block, field):
        raise directive.error("is used twice in one block")
    return msgspec.structs.replace(block, **{field: read(directive, block)})


def _loadbalance(directive: Directive) -> bool:
    if directive.arguments and directive.arguments[0].text != "round_robin":
        raise directive.error(f"policy {directive.arguments[0].text} is not served; round_robin is")
    return True


def _listener(directive: Directive, whole: Configuration) -> Configuration:
    """The plugins that concern the whole server."""
    replace = msgspec.structs.replace
    match directive.name.text:
        case "health":
            for line in directive.lines:
                if line.name.text != "lameduck":
                    raise values.unknown(line, "health", ("lameduck",))
                whole = replace(whole, linger=values.duration(values.one(line)))
            return replace(whole, health_port=values.port_of(directive) or whole.health_port)
        case "ready":
            return replace(whole, ready_port=values.port_of(directive) or whole.ready_port)
        case "prometheus":
            return replace(whole, metrics_port=values.port_of(directive) or whole.metrics_port)
        case "reload":
            words = directive.arguments
            if words and words[0].text == "off":
                return replace(whole, reload_seconds=0.0)
            for word in words:
                values.duration(word)
            return replace(whole, reload_seconds=max(values.duration(words[0]), 2.0) if words else 30.0)
        case _:
            raise directive.name.error(f"unknown plugin {directive.name.text!r}; this server has {', '.join(PLUGINS)}")


def _autopath(directive: Directive) -> bool:
    words = [word.text for word in directive.arguments]
    if words != ["@kubernetes"]:
        raise directive.error("must be 'autopath @kubernetes': search lists are those of pods")
    return True


def _compare(blocks: list[BlockSettings]) -> None:
    """Raise where blocks contradict each other."""
    seen: set[tuple[bytes, int]] = set()
    cluster: KubernetesSettings | None = None
    for block in blocks:
        for zone in block.zones:
            if (zone, block.port) in seen:
                raise CorefileError(block.line, "an earlier block has the same zone and port")
            seen.add((zone, block.port))
        if block.kubernetes is not None and cluster not in {None, block.kubernetes}:
            raise CorefileError(block.line, "kubernetes: must have the same zones and options in all blocks")
        cluster = block.kubernetes or cluster
        if block.autopath and block.kubernetes is None:
            raise CorefileError(block.line, "autopath: the block must have the plugin kubernetes")
