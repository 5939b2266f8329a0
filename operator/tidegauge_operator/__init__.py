"""The operator: a `DriftMonitoredModel` becomes pods, an aggregator and alerts, and the verdict comes back."""
