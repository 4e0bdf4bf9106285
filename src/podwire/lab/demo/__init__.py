"""`podwire demo`: probe the flows of a sample application with real packets and report them. Runs on the host.

`prober` is sent into pods as text and imports the standard library only.
"""
