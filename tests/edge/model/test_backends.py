from __future__ import annotations

from podwire.edge.model.backends import Cluster, ServicePort, Transport
from podwire.edge.model.tls import BackendTls

PORT = ServicePort("shop", "web", 80)


def test_clusters_of_other_kinds_of_connection_have_other_names() -> None:
    clusters = [
        Cluster(PORT, Transport.HTTP1),
        Cluster(PORT, Transport.H2C),
        Cluster(PORT, Transport.HTTP1, BackendTls("web.example.com", version="1")),
        Cluster(PORT, Transport.HTTP1, BackendTls("web.example.com", version="2")),
        Cluster(PORT, Transport.HTTP1, is_sticky=True),
        Cluster(ServicePort("shop", "web", 81), Transport.HTTP1),
    ]
    assert len({one.name for one in clusters}) == len(clusters)


def test_the_same_connection_has_the_same_name_whichever_route_leads_to_it() -> None:
    assert Cluster(PORT, Transport.HTTP1).name == Cluster(ServicePort("shop", "web", 80), Transport.HTTP1).name
