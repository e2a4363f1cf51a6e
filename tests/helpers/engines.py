"""An engine that does what engines may do: any order, any number of tasks, everything sent as bytes."""

from __future__ import annotations

import pickle
from dataclasses import dataclass


@dataclass
class Elsewhere:
    """Tasks by way of bytes, the last one first; counts them."""

    slots: int = 1
    round_seconds: float = 1.0
    tasks: int = 0

    def map_tasks(self, function, tasks, shared, link):
        function, shared = pickle.dumps(function), pickle.dumps(shared)
        for place, task in reversed(list(enumerate(map(pickle.dumps, tasks)))):
            self.tasks += 1
            result = pickle.loads(function)(pickle.loads(task), pickle.loads(shared), link)
            yield place, pickle.loads(pickle.dumps(result))
