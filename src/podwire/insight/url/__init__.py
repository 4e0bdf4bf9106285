"""What becomes of a request for a URL, from its name to the pod that answers: `podwire explain url`, `trace url`."""
