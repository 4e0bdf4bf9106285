"""What a pod's resolver does with a name: its queries, their answers, the policies on the way to the name server."""
