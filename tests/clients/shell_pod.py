"""A pod that says two lines and stays: for logs and exec."""

SHELL_POD = """
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: busybox, command: [sh, -c, "echo one; echo two; sleep infinity"]}
"""
