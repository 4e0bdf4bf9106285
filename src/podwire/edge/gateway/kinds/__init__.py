"""The kinds of the Gateway API as podwire reads them. Source: sigs.k8s.io/gateway-api v1.6.3 `apis/v1`."""
