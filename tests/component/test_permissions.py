"""The roles of podwire's own programs, as bootstrap objects of an API server and for a cluster."""

from podwire.component import permissions

CONDITION, GATEWAY = "clusternetworkpolicies/status", "egressgateways/status"
"""What agents write conditions into."""
LABEL = "pods/status"
"""Where they label pods: the status cannot change what a pod runs."""


def test_a_role_and_its_binding_for_each_subject() -> None:
    account = permissions.account("kube-system", "podwire-agent")
    role, binding, *_ = permissions.objects({permissions.AGENT: account})
    assert (role["kind"], role["metadata"]["name"]) == ("ClusterRole", "podwire:agent")
    written = {"events": ["create", "patch"], CONDITION: ["patch"], GATEWAY: ["patch"], LABEL: ["patch"]}
    for rule in role["rules"]:
        assert rule["verbs"] == written.get(rule["resources"][0], ["get", "list", "watch"])
    assert (binding["roleRef"]["name"], binding["subjects"]) == ("podwire:agent", [account])
    assert "apiGroup" not in account


def test_agents_write_leases_in_a_namespace_of_their_own_and_nowhere_else() -> None:
    account = permissions.account("kube-system", "podwire-agent")
    *_, role, binding = permissions.objects({permissions.AGENT: account})
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "podwire-node-lease")
    assert [rule["resources"] for rule in role["rules"]] == [["leases"]]
    assert "delete" not in role["rules"][0]["verbs"]
    assert (binding["kind"], binding["metadata"]) == ("RoleBinding", role["metadata"])
    assert (binding["roleRef"]["kind"], binding["subjects"]) == ("Role", [account])


def test_no_program_reads_secrets_or_writes_anything_but_events_in_all_namespaces() -> None:
    for obj in permissions.objects(permissions.CERTIFICATE_SUBJECTS):
        if obj["kind"] == "Role" or obj["metadata"]["name"] == permissions.GATEWAY:
            continue
        for rule in obj.get("rules", ()):
            assert not {"secrets", "*"} & set(rule["resources"])
            written = [["events"], [CONDITION], [GATEWAY], [LABEL], ["tokenreviews"]]
            is_status = all(one.endswith("/status") for one in rule["resources"]) and rule["verbs"] == ["patch"]
            assert is_status or rule["resources"] in written or set(rule["verbs"]) <= set(permissions.READ)


def test_the_gateway_controller_writes_no_secret_of_another_namespace_and_no_kind_that_is_not_named() -> None:
    """Certificates of Gateways are Secrets of any namespace, so it alone reads them; it writes what a Gateway gets."""
    rules = permissions.RULES[permissions.GATEWAY]
    written = {
        resource for _, resources, verbs in rules if set(verbs) - set(permissions.READ) for resource in resources
    }
    objects = {one for one in written if "/" not in one}
    assert objects == {"services", "endpointslices", "events", "gatewayclasses", "ingressclasses"}
    assert [verbs for _, resources, verbs in rules if resources == ("gatewayclasses",)] == [("create",)]
    assert all("*" not in (*resources, *verbs) for _, resources, verbs in rules)
    assert {one.partition("/")[2] for one in written - objects} == {"status", "finalizers"}


def test_the_keys_of_the_mesh_are_read_by_name_and_by_its_controller_alone() -> None:
    found = {
        (obj["metadata"]["name"], tuple(rule["verbs"]), tuple(rule.get("resourceNames", ())))
        for obj in permissions.objects(permissions.CERTIFICATE_SUBJECTS)
        for rule in obj.get("rules", ())
        if "secrets" in rule["resources"] and obj["metadata"]["name"] != permissions.GATEWAY
    }
    assert found == {
        (permissions.MESH, ("create",), ()),
        (permissions.MESH, ("get", "patch"), ("podwire-mesh-authority",)),
    }


def test_the_mesh_of_a_node_writes_nothing() -> None:
    found = [
        rule
        for obj in permissions.objects({permissions.MESH_NODE: permissions.account("podwire-system", "podwire-mesh")})
        for rule in obj.get("rules", ())
    ]
    assert all(set(rule["verbs"]) <= set(permissions.READ) for rule in found)
    named = [rule["resourceNames"] for rule in found if "configmaps" in rule["resources"]]
    assert named == [["podwire-mesh", "podwire-mesh-trust"]]


def test_programs_that_run_more_than_once_write_only_what_is_theirs() -> None:
    """Agents and DNS servers are many and not elected. The controller leads by a Lease.

    Of a policy that no agent honours each agent writes the same condition.
    """
    writes = {
        role: {
            resource
            for _, resources, verbs in permissions.RULES[role]
            for resource in resources
            if set(verbs) - set(permissions.READ)
        }
        for role in permissions.RULES
    }
    assert writes[permissions.AGENT] == {"events", CONDITION, GATEWAY, LABEL}
    assert writes[permissions.DNS] == {"events"}
    assert "leases" in writes[permissions.CONTROLLER]
