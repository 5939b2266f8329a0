"""The objects of one resource: the plan of all, a builder each, their labels, the inputs they need.

It imports of the library `protocol`, `resource`; from outside `msgspec`.
Pure: plain documents out.
"""
