"""Pods as a ReplicaSet's controller sends them: about 2 KB each."""

from __future__ import annotations

import uuid
from typing import Any

from bench.wire import Connection

NAMESPACE = "bench"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"

Object = dict[str, Any]


def pod(number: int) -> Object:
    """One of the pods of the Deployment `shop-<number // 10>`."""
    name, replica_set = f"shop-{number // 10}", f"shop-{number // 10}-5d8f7c9b6d"
    owner = uuid.uuid5(uuid.NAMESPACE_DNS, replica_set)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{replica_set}-{number:05}",
            "generateName": f"{replica_set}-",
            "namespace": NAMESPACE,
            "labels": {
                "app.kubernetes.io/name": name,
                "app.kubernetes.io/part-of": "shop",
                "app.kubernetes.io/version": "2.14.1",
                "pod-template-hash": "5d8f7c9b6d",
            },
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": replica_set,
                    "uid": str(owner),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 45,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001},
            "containers": [_web(), _metrics()],
            "volumes": [
                {"name": "config", "configMap": {"name": f"{name}-config"}},
                {"name": "cache", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        },
    }


def _web() -> Object:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 2}
    return {
        "name": "web",
        "image": "registry.example.com/shop/web:2.14.1",
        "args": ["--listen=:8080", "--config=/etc/shop/config.yaml"],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 8081}],
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "shop-database", "key": "password"}}},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": probe,
        "livenessProbe": {**probe, "initialDelaySeconds": 10},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/shop", "readOnly": True},
            {"name": "cache", "mountPath": "/var/cache/shop"},
        ],
    }


def _metrics() -> Object:
    return {
        "name": "metrics",
        "image": "registry.example.com/shop/exporter:0.9.0",
        "ports": [{"name": "metrics", "containerPort": 9090}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }


def running_status(number: int) -> Object:
    """What a node reports of such a pod once it runs."""
    moment, address = "2026-01-01T12:00:00Z", f"10.244.{number >> 8 & 255}.{number & 255}"
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "phase": "Running",
        "conditions": [{"type": one, "status": "True", "lastTransitionTime": moment} for one in conditions],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "containerID": f"podwire://{number:064}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": moment}},
            }
            for container in (_web(), _metrics())
        ],
        "hostIP": "172.18.0.11",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": moment,
    }


def prepare_namespace(connection: Connection) -> None:
    """The namespace of all these pods."""
    connection.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
