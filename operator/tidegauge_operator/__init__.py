"""The operator: a `DriftMonitoredModel` becomes pods, an aggregator and alerts; the verdict comes back.

`kube` brings the events, `controller` acts on them, `children` plans the objects, `status` says how it went.
`python -m tidegauge_operator` runs it; `docs/operator.md` is its manual.
"""
