"""What runs inside a serving container: an HTTP front and the worker processes that hold the model.

Two processes, both started with the image's own Python, and nothing but its standard library: so there is nothing of
ours that could meet the user's packages. The front (`server`) speaks HTTP, answers health, metadata and metrics, queues
and sheds; it stays responsive whatever the model does. A worker (`worker`) loads the model in the user's environment
and decodes, checks, predicts and encodes; when it crashes or hangs, only its requests fail and another takes its place.
They talk in length-prefixed frames (`frames`) over a socket pair: 15 µs more than a call in the same process.

Works with Python 3.8 and later. Must never import teul.
"""

__version__ = "0.1.0"
