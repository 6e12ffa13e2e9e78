"""The family Script: artifacts that bring code in the SageMaker inference toolkit's form.

`source` reads what the code says of itself, `requirements` what it asks for; neither runs it.
`family` puts both into a model that can be described. `running` is the model once its code runs, by
the toolkit (`toolkit`), with the artifact's modules to itself (`models.own_modules`). Whether it
may run is decided elsewhere: by the endpoint's operator, and by whoever calls `start`.
"""
