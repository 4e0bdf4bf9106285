"""The HTTP model as resources of Envoy's API v3: one file a concept of Envoy. Pure.

In the order of imports: `message`, `headers`, `tls`, `route_match`, `path_rewrite`, `route_action`, `external_auth`,
`virtual_host`, `cluster`, `endpoints`, `secret`, `stream`, `access_log`, `request_metrics`, `tracing`,
`http_connection`, `listener`, `rows`.
"""
