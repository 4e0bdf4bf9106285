"""Deployment, ReplicaSet, StatefulSet, DaemonSet, Job and CronJob. A `*_plan` file is the pure half."""
