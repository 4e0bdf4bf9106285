"""What a container runtime meets: the CNI protocol, the plugin and its files, the server that answers it."""
