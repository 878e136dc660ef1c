"""The life cycle: a project file, its steps in the solver, runs, gates, versions, and what serves.

`project` and `gate` read what the user wrote; `pipeline` lowers steps to the solver's graph, `steps` and `container` run
them, `record` writes them down; `served_image`, `promotion` and `serving` bring a model to where it answers; `up` is the
verb over all of them. `tracking` is the server and the store of runs and models; it knows nothing of the rest.
"""
