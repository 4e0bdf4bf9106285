"""Request bodies to JSON values, with limits: JSON, YAML and protobuf."""
