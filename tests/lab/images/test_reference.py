import pytest

from podwire.lab.images.errors import ImageError
from podwire.lab.images.reference import parse

SHA = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("team/web", "docker.io/team/web:latest", "team/web:latest"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost/web", "localhost/web:latest", "localhost/web:latest"),
        ("host:5000/web:v1", "host:5000/web:v1", "host:5000/web:v1"),
        ("[::1]:5000/web", "[::1]:5000/web:latest", "[::1]:5000/web:latest"),
        (f"nginx@{SHA}", f"docker.io/library/nginx@{SHA}", f"nginx@{SHA}"),
        (f"nginx:1.27@{SHA}", f"docker.io/library/nginx@{SHA}", f"nginx@{SHA}"),
        ("x/a-b__c.d/e", "docker.io/x/a-b__c.d/e:latest", "x/a-b__c.d/e:latest"),
    ],
)
def test_names_as_docker_has_them(text: str, full: str, familiar: str) -> None:
    found = parse(text)
    assert (str(found), found.familiar) == (full, familiar)
    assert parse(familiar) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":tag",
        "Web",
        "web:",
        "web:-x",
        "web:" + "a" * 129,
        "a//b",
        "/a",
        "../a",
        "a_-b",
        "web@sha256:00",
        "web@",
        "a b",
        "0" * 64,
        "a" * 256,
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ImageError, match="invalid reference format"):
        parse(text)
