"""`python -m support.node.forward NETWORK PORT HOST:PORT`: a loopback port that leads into a box's network.

A socket belongs to the network it was opened in. So one process can listen outside and connect inside, and
nothing of the machine's own network is changed.
"""

import socket
import sys

from support.node.box import enter_network
from support.node.relay import run


def main(network: str, port: str, target: str) -> None:
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=512)
    enter_network(network)
    run(listener, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
