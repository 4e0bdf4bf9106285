"""What the dashboard shows: sections of panels, each with its queries."""

from __future__ import annotations

from typing import Literal

import msgspec

AGENT = 'job=~".*podwire-agent",node=~"$node"'
GATEWAY = 'job=~".*podwire-gateway-controller"'
ENVOY = 'job=~".*podwire-envoys"'
MESH = 'job=~".*podwire-mesh-nodes",node=~"$node"'
FROM_CLIENTS = f'{MESH},reporter="source"'
"""At the client's node each request and connection is counted once."""
DNS = 'job=~".*podwire-dns"'

Kind = Literal["timeseries", "stat"]


class Query(msgspec.Struct, frozen=True):
    """An expression, and the name of its series, of which `{{label}}` is a part."""

    expression: str
    legend: str


class Panel(msgspec.Struct, frozen=True):
    """One picture. `unit` is Grafana's name of it."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"


class Section(msgspec.Struct, frozen=True):
    """A row of panels that can be folded."""

    title: str
    panels: tuple[Panel, ...]


def rate(metric: str, labels: str, *by: str) -> str:
    """The rate of a counter, summed by labels."""
    return f"sum by ({', '.join(by)}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def quantile(share: float, metric: str, labels: str, *by: str) -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, 'le', *by)})"


def quantiles(metric: str, labels: str, *by: str) -> tuple[Query, ...]:
    """Median and 99th percentile."""
    name = " ".join(f"{{{{{label}}}}}" for label in by)
    return tuple(
        Query(quantile(share, metric, labels, *by), f"{title} {name}".strip())
        for share, title in ((0.5, "median"), (0.99, "99 %"))
    )


SECTIONS = (
    Section(
        "Overview",
        (
            Panel(
                "Agents ready", "Nodes whose agent has everything in sync.", "none",
                (Query(f"sum(podwire_ready{{{AGENT}}})", "ready"), Query(f"count(up{{{AGENT}}})", "all")), "stat",
            ),
            Panel(
                "DNS servers ready", "Servers that know all records.", "none",
                (Query(f"sum(podwire_ready{{{DNS}}})", "ready"), Query(f"count(up{{{DNS}}})", "all")), "stat",
            ),
            Panel(
                "Versions", "One, but during an upgrade.", "none",
                (Query("count by (version) (podwire_build_info)", "{{version}}"),), "stat",
            ),
            Panel(
                "Rows refused by kernels", "podwire rows shows them with the reason.", "none",
                (Query(f"sum(podwire_reconciler_refused_rows{{{AGENT}}})", "rows"),), "stat",
            ),
        ),
    ),
    Section(
        "Nodes",
        (
            Panel(
                "Last event of the API server", "A bookmark comes each minute; above 90 s a kind is not followed.", "s",
                (Query(f"max by (node, resource) (podwire_informer_last_event_age_seconds{{{AGENT}}})",
                       "{{node}} {{resource}}"),),
            ),
            Panel(
                "Kinds that cannot be read", "By reason.", "none",
                (Query("sum by (pod, resource, reason) (podwire_informer_problem)",
                       "{{pod}} {{resource}} {{reason}}"),),
            ),
            Panel(
                "Processor time of agents", "1 is one processor.", "none",
                (Query(f"rate(process_cpu_seconds_total{{{AGENT}}}[$__rate_interval])", "{{node}}"),),
            ),
            Panel(
                "Memory of agents", "Resident.", "bytes",
                (Query(f"process_resident_memory_bytes{{{AGENT}}}", "{{node}}"),),
            ),
            Panel(
                "Failed writes to the kernel", "Writes and readbacks, by target.", "ops",
                (Query(rate("podwire_reconciler_failures_total", AGENT, "node", "target"), "{{node}} {{target}}"),),
            ),
            Panel(
                "Connections tracked", "Share of the machine's limit.", "percentunit",
                (Query(f"podwire_conntrack_entries{{{AGENT}}} / (podwire_conntrack_limit{{{AGENT}}} > 0)",
                       "{{node}}"),),
            ),
            Panel(
                "Connections without a place", "Dropped as the table is full, or lost a race for an address.", "ops",
                (
                    Query(rate("podwire_conntrack_dropped_packets_total", AGENT, "node"), "{{node}} dropped"),
                    Query(rate("podwire_conntrack_insert_failed_total", AGENT, "node"), "{{node}} insert failed"),
                ),
            ),
        ),
    ),
    Section(
        "Pods",
        (
            Panel(
                "CNI requests", "Of container runtimes; code 0 is success.", "ops",
                (Query(rate("podwire_cni_requests_total", AGENT, "command", "code"), "{{command}} {{code}}"),),
            ),
            Panel(
                "Time until a pod has its network", "ADD, with the wait for its policies.", "s",
                quantiles("podwire_cni_request_duration_seconds", f'{AGENT},command="ADD"'),
            ),
            Panel(
                "Packets that policies drop", "closed: of pods without rules yet.", "pps",
                (Query(rate("podwire_policy_dropped_packets_total", AGENT, "node", "reason"), "{{node}} {{reason}}"),),
            ),
            Panel(
                "Other packets dropped", "Unknown to connection tracking; to loopback from elsewhere.", "pps",
                (
                    Query(rate("kubeproxy_iptables_ct_state_invalid_dropped_packets_total", AGENT, "node"),
                          "{{node}} invalid"),
                    Query(rate("podwire_loopback_dropped_packets_total", AGENT, "node"), "{{node}} loopback"),
                ),
            ),
        ),
    ),
    Section(
        "Services",
        (
            Panel(
                "From a change to the rules of a node", "Of a pod or Service.", "s",
                quantiles("kubeproxy_network_programming_duration_seconds", AGENT),
            ),
            Panel(
                "One write of rules", "", "s", quantiles("kubeproxy_sync_proxy_rules_duration_seconds", AGENT),
            ),
            Panel(
                "Changes that wait", "", "none",
                (
                    Query(f"sum by (node) (kubeproxy_sync_proxy_rules_service_changes_pending{{{AGENT}}})",
                          "{{node}} Services"),
                    Query(f"sum by (node) (kubeproxy_sync_proxy_rules_endpoint_changes_pending{{{AGENT}}})",
                          "{{node}} EndpointSlices"),
                ),
            ),
            Panel(
                "Ports without local endpoints", "A Local traffic policy drops what comes to them on the node.", "none",
                (Query("sum by (node, traffic_policy) "
                       f"(kubeproxy_sync_proxy_rules_no_local_endpoints_total{{{AGENT}}})",
                       "{{node}} {{traffic_policy}}"),),
            ),
            Panel(
                "Rows in the kernel", "The largest node's, by target and type.", "none",
                (Query(f"max by (target, type) (podwire_rows{{{AGENT}}})", "{{target}} {{type}}"),),
            ),
            Panel(
                "Announced addresses and BGP sessions", "Of load balancers.", "none",
                (
                    Query(f"sum by (node) (podwire_announced_addresses{{{AGENT}}})", "{{node}} addresses"),
                    Query(f"min by (node, peer) (podwire_bgp_session_up{{{AGENT}}})", "{{node}} session {{peer}}"),
                ),
            ),
        ),
    ),
    Section(
        "DNS",
        (
            Panel("Queries", "", "ops", (Query(rate("coredns_dns_requests_total", DNS, "proto"), "{{proto}}"),)),
            Panel("Answers", "", "ops", (Query(rate("coredns_dns_responses_total", DNS, "rcode"), "{{rcode}}"),)),
            Panel("Time to an answer", "", "s", quantiles("coredns_dns_request_duration_seconds", DNS)),
            Panel(
                "Upstream servers", "Of names beyond the cluster.", "ops",
                (Query(rate("podwire_dns_upstream_requests_total", DNS, "to", "result"), "{{to}} {{result}}"),),
            ),
        ),
    ),
    Section(
        "Controller",
        (
            Panel(
                "Processes that lead", "1, where podwire controller runs.", "none",
                (Query("sum(podwire_controller_leading)", "leading"),),
            ),
            Panel(
                "Pod ranges left", "", "none", (Query("podwire_controller_free_pod_ranges", "{{range}}"),),
            ),
        ),
    ),
    Section(
        "Gateways",
        (
            Panel(
                "Requests", "Of each Gateway, by status of the response.", "reqps",
                (Query(rate("envoy_gateway_requests", ENVOY, "gateway", "code"), "{{gateway}} {{code}}"),),
            ),
            Panel(
                "Failed requests of routes", "Responses of status 500 and above, by route and backend.", "reqps",
                (
                    Query(
                        rate("envoy_gateway_requests", f'{ENVOY},code=~"5.."', "route", "backend"),
                        "{{route}} {{backend}}",
                    ),
                ),
            ),
            Panel(
                "Time of requests", "From their start to the end of the response, by backend.", "ms",
                quantiles("envoy_gateway_duration_milliseconds", ENVOY, "backend"),
            ),
            Panel(
                "Connected Envoys", "To the controller that leads.", "none",
                (Query("sum by (proxy) (podwire_xds_connected_envoys)", "{{proxy}}"),),
            ),
            Panel(
                "Change to Envoys", "From a changed object to the last Envoy that serves by it.", "s",
                quantiles("podwire_xds_acknowledgement_seconds", GATEWAY, "proxy"),
            ),
            Panel(
                "Refused configuration", "The condition of the Gateway or route has the reason.", "none",
                (Query(rate("podwire_xds_refusals_total", GATEWAY, "proxy", "type"), "{{proxy}} {{type}}"),),
            ),
            Panel(
                "Gateway controllers that lead", "1, where Gateways are served.", "none",
                (Query("sum(podwire_gateway_leading)", "leading"),),
            ),
        ),
    ),
    Section(
        "Mesh",
        (
            Panel(
                "Requests", "That routes of Services have read, by backend and status of the response.", "reqps",
                (
                    Query(
                        rate("istio_requests_total", FROM_CLIENTS, "destination_service", "response_code"),
                        "{{destination_service}} {{response_code}}",
                    ),
                ),
            ),
            Panel(
                "Failed requests", "Responses of status 500 and above, by client, backend and route.", "reqps",
                (
                    Query(
                        rate("istio_requests_total", f'{FROM_CLIENTS},response_code=~"5.."',
                             "source_workload", "destination_service", "route"),
                        "{{source_workload}} to {{destination_service}} {{route}}",
                    ),
                ),
            ),
            Panel(
                "Time of requests", "From their start to the end of the response, by backend.", "ms",
                quantiles("istio_request_duration_milliseconds", FROM_CLIENTS, "destination_service"),
            ),
            Panel(
                "Connections", "That have reached their server, by workloads.", "cps",
                (
                    Query(
                        rate("istio_tcp_connections_opened_total", FROM_CLIENTS,
                             "source_workload", "destination_workload"),
                        "{{source_workload}} to {{destination_workload}}",
                    ),
                ),
            ),
            Panel(
                "Connections by their security", "none: plain text of clients without identity.", "cps",
                (
                    Query(
                        rate("istio_tcp_connections_opened_total", f'{MESH},reporter="destination"',
                             "connection_security_policy"),
                        "{{connection_security_policy}}",
                    ),
                ),
            ),
            Panel(
                "Bytes", "Of connections that have ended, by the workload that was connected to.", "Bps",
                (
                    Query(rate("istio_tcp_sent_bytes_total", FROM_CLIENTS, "destination_workload"),
                          "{{destination_workload}} sent"),
                    Query(rate("istio_tcp_received_bytes_total", FROM_CLIENTS, "destination_workload"),
                          "{{destination_workload}} received"),
                ),
            ),
            Panel(
                "Connections that end with an error", "By Envoy's flags: UF no connection, URX tries exhausted.", "cps",
                (
                    Query(
                        rate("istio_tcp_connections_closed_total", f'{FROM_CLIENTS},response_flags!="-"',
                             "destination_workload", "response_flags"),
                        "{{destination_workload}} {{response_flags}}",
                    ),
                ),
            ),
            Panel(
                "Certificates", "Of pods: without one, and time until the first expires, in half days.", "none",
                (
                    Query(f"sum by (node) (podwire_mesh_certificates_lacking{{{MESH}}})", "{{node}} lacking"),
                    Query(f"podwire_mesh_certificate_remaining_seconds{{{MESH}}} / 43200", "{{node}} half days"),
                ),
            ),
            Panel(
                "Authority", "Until the intermediate, and the first root, expire.", "s",
                (Query("min by (authority) (podwire_mesh_authority_remaining_seconds)", "{{authority}}"),),
            ),
        ),
    ),
)  # fmt: skip
