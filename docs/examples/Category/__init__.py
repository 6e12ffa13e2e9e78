"""The family Category: which category of a corpus a text belongs to, by the nearest centroid.

Words are stems without stop words, counted in 4,096 buckets and weighted by rarity. A category is
the mean direction of its texts; a text belongs to the category whose direction is most like its
own. `centroids` has the numbers and their file, `train` makes them, `model` answers requests,
`evaluate` measures, `family` is what the registry finds.
"""
