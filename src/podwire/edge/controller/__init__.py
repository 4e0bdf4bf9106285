"""The program `podwire gateway-controller`: Gateways in, Envoys with their configuration and the objects' status out."""
