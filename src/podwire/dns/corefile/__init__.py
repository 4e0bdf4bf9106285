"""The configuration of the DNS server: the Corefile's grammar, the plugins' options, what they mean. Pure."""
