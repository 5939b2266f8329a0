"""The drift sidecar: rows of the capture log in, panes of counts out (`docs/sidecar.md`)."""
