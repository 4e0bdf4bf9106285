"""Requests that another server answers: exec, attach, logs, port-forward and proxy."""
