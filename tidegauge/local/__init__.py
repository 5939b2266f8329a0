"""The local stack: the programs of the cluster as plain processes, from the same YAML.

It imports `errors`, `kit`, `protocol`, `report`, `resource`, `telling`; from outside `httpx`, `msgspec`,
`rich`. It starts the programs, and imports none.
It has clock, files, network and processes: it is the edge.
"""
