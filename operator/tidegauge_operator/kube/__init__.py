"""The cluster: the client of its API, what the watches have shown, and Kopf, which brings the events.

It imports `children`; of the library `errors`, `kit`, `protocol`; from outside `aiohttp`, `kopf`,
`kubernetes`. `client` alone imports the Kubernetes client; `informer` and `kopf_setup` import Kopf.
Network: the API server. Kopf has a thread and an event loop to itself; all else is in the operator's loop.
"""
