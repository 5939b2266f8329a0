"""The shell of all programs: settings, log, start and end, and what else each of them needs.

It imports `errors`, `nearest`, `protocol`, `telling`; from outside `prometheus_client`. The health server
alone needs `prometheus_client`; all else runs with the standard library.
It touches the process: arguments, environment, standard streams, signals, files and a listening port.
"""
