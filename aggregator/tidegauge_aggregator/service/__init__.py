"""The aggregator's work: take panes, decide when to evaluate, answer questions. No HTTP.

It imports `domain`, `evaluation`, `store`; of the library `counting`, `errors`, `kit`, `monitor`,
`nearest`, `profile`, `protocol`, `report`, `stats`, `telling`; from outside `prometheus_client`.
Runs in the event loop; hands I/O to the store's thread and arithmetic to the evaluator's.
"""
