"""The drift sidecar: rows of the tap's log in, panes of counts out (`docs/sidecar.md`)."""
