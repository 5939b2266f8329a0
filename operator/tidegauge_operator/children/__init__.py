"""Builders of the objects made for one resource: one file a kind, plain documents out, no I/O."""
