"""Flow records of all nodes: read, chosen, completed from the API, and shown (`podwire flows`)."""
