"""The objects of one resource: the plan of all, a builder each, their labels, the inputs they need.

It imports the library's resource and names.
Pure: plain documents out.
"""
