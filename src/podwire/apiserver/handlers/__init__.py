"""Routes a request to the room that answers it, and the subresources."""
