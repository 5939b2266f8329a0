"""The local stack: the programs of the cluster as plain processes, from the same YAML."""
