"""The shell of all programs: settings, log, start and end, and what else each of them needs.

May import `protocol`, `errors` and the words of messages, no program and no other room. Apart from the health
server, which needs prometheus-client, it runs with the standard library alone.
It touches the process: arguments, environment, standard streams, signals, files and a listening port.
"""
