"""The HTTP model as resources of Envoy's API v3: one file a concept of Envoy. Pure.

`rows` leads from a row of the model to the file that makes its resources: `listener` (with `http_connection` and
`stream`), `virtual_host` (with `route_match` and `route_action`), `cluster`, `endpoints`, `secret`. A filter is a file
of its own, with the part of the listener and that of its routes; `message` and `headers` serve all.
"""
