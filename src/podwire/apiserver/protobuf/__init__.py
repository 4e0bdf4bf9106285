"""Request bodies in Kubernetes' protobuf: bytes in, the same object as JSON values out."""
