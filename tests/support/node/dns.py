"""Cluster DNS: CoreDNS with the `kubernetes` plugin, as a program on the node's address."""

from pathlib import Path

from support.go_program import GoProgram

PROGRAM = GoProgram(name="coredns", module="coredns", package=".", minutes=2)
DOMAIN = "cluster.local"


def corefile(address: str, kubeconfig: Path) -> str:
    """The configuration: names of the cluster, answered at this address; no other names."""
    return f"""\
.:53 {{
    bind {address}
    errors
    ready {address}:8181
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig} tests
        pods insecure
        ttl 1
    }}
    cache 1
}}
"""
