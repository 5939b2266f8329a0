"""The local stack: the programs of the cluster as plain processes, from the same YAML.

It imports `resource`, `report`, `protocol` and what they need; it starts the programs, and imports none.
It has clock, files, network and processes: it is the edge.
"""
