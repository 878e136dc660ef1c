"""A generic solver: a graph of vertices, a cache keyed by content, a schedule. Knows digests and results, nothing else.

Words. An *op* is data that says what is to be done; its `definition` is all that it depends on besides its inputs.
A *vertex* is an op with inputs; its digest names the question, whatever the inputs turn out to hold. A *result* is
the answer: a digest of what was made, and what a worker needs to find it again. The *cache key* of a vertex is made of
its definition, the digests of its inputs' results, and what the worker finds outside of the graph (the digests of the
context's files, of the host's settings …), so a file that was touched but not changed never makes anything run.

Life: `solve` asks, from the sources to the targets, what the cache knows; what it knows is not touched again, not
even to see whether it is still there, unless something that has to run stands on it. Independent vertices run at the
same time, equal ones once, and what no target needs never. The parts of every key are kept for each *scope* (one
build of one project), so that for any vertex that ran the solver can say which input made it run.
"""

from teul.solver.graph import Op, Result, Vertex, walk
from teul.solver.protocol import Cache, Task, Worker
from teul.solver.solve import Cause, Explained, Outcome, Planned, Solution, plan, solve

__all__ = [
    "Cache",
    "Cause",
    "Explained",
    "Op",
    "Outcome",
    "Planned",
    "Result",
    "Solution",
    "Task",
    "Vertex",
    "Worker",
    "plan",
    "solve",
    "walk",
]
