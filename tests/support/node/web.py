"""Small pods and what stands before them, for tests of the node itself."""

from support.controlplane.api import Document
from support.node.node import Node
from support.restricted import container, pod_spec


def shell(node: Node, name: str, script: str, **more: object) -> Document:
    """A container that runs a script."""
    return container(name, node.shell_image, "sh", "-c", script, **more)


def service(namespace: str, name: str, **spec: object) -> Document:
    """A Service in front of the pods that bear its name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}], **spec},
    }


def replicated(kind: str, namespace: str, name: str, spec_of_pods: Document, **spec: object) -> Document:
    """A Deployment or a StatefulSet of this pod."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec_of_pods},
            **spec,
        },
    }


def page_server(node: Node) -> Document:
    """A pod that serves its own name at port 8080."""
    server = shell(
        node,
        "web",
        "hostname > /pages/index.html && exec httpd -f -p 8080 -h /pages",
        volumeMounts=[{"name": "pages", "mountPath": "/pages"}],
        readinessProbe={"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
    )
    return pod_spec(server, volumes=[{"name": "pages", "emptyDir": {}}])
