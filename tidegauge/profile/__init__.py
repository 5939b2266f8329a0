"""The reference as a value: features, profile, document, comparison.

It imports `arrays`, `counting`, `errors`, `fit`, `nearest`, `protocol`, `telling`; from outside `numpy`.
`Profile.fit`, `count` and `count_matrix` alone climb, to `fit` and `counting`.
Pure, save for `Profile.save` and `load`.
"""
