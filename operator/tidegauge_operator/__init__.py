"""The operator: a `DriftMonitoredModel` becomes pods, an aggregator and alerts; the verdict comes back."""
