# ruff: noqa: A005  (it mirrors podwire.http)
