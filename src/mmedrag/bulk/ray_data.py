"""Workers that are actors of Ray Data, on this machine or on a cluster.

One task reads the corpus piece by piece, actors encode; Ray starts those anew that die. Machines of
a cluster see the corpus and the folder of the shards under the same paths.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator
from typing import Any

from mmedrag.bulk.encoder import Encoder
from mmedrag.bulk.pieces import Written, pieces
from mmedrag.bulk.plan import Plan
from mmedrag.errors import MissingExtra, ModelError, QueryError

try:
    import pyarrow as pa
    import ray
    from ray.data import ActorPoolStrategy, Datasource, ReadTask
    from ray.data.block import BlockMetadata
except ImportError:
    raise MissingExtra("Ray Data is not installed", 'pip install "mmedrag[ray]"') from None


def actors(workers: int, cores: int) -> int:
    """How many actors encode: one core is left for the task that reads.

    Actors on every core leave none for it, and all wait for ever.

    Raises:
        QueryError: there is one core only.
    """
    if cores < 2:
        raise QueryError("Ray Data needs two cores", "Leave out --ray: plain processes need one.")
    return min(workers, cores - 1)


def encode_in_ray(plan: Plan, workers: int) -> Iterator[Written]:
    """Encode all pieces of a plan; what became of each, as they are finished.

    Raises:
        QueryError: the cluster has one core only.
        ModelError: an actor cannot load its models, or fails.
    """
    started = _connect()
    try:
        size = actors(workers, int(ray.cluster_resources().get("CPU", 1)))
        encoded = ray.data.read_datasource(_Pieces(plan), override_num_blocks=1).map_batches(
            _Actor,
            fn_constructor_args=(plan,),
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=size),
            num_cpus=1,
        )
        for row in encoded.iter_rows():
            yield pickle.loads(row["written"])  # noqa: S301 - what our own actors send
    except ray.exceptions.RayError as error:
        raise ModelError(
            f"Ray could not encode ({str(error).splitlines()[-1]})",
            "What was encoded is kept; run the same command again.",
        ) from error
    finally:
        if started:
            ray.shutdown()


def _connect() -> bool:
    """Join the cluster of ``RAY_ADDRESS``, or start one on this machine; whether it was started.

    A started one listens on loopback alone, without a dashboard and without usage reports.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    if ray.is_initialized():
        return False
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
        return True
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        log_to_driver=False,
        logging_level=logging.ERROR,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
    )
    return True


class _Pieces(Datasource):
    """The pieces of a plan as rows, read one after another by one task."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown: the corpus is a stream."""
        return None

    def get_read_tasks(self, *_: object, **__: object) -> list[Any]:
        """The one task."""
        plan = self._plan

        def blocks() -> Iterator[Any]:
            plan.register_domains()
            for piece in pieces(plan):
                yield pa.table({"piece": [pickle.dumps(piece)]})

        nothing = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(blocks, nothing)]


class _Actor:
    """An :class:`~mmedrag.bulk.encoder.Encoder` as Ray Data calls it."""

    def __init__(self, plan: Plan) -> None:
        self._encoder = Encoder(plan, threads=1)

    def __call__(self, batch: Any) -> Any:  # noqa: ANN401 - a table of pyarrow
        sent = batch.column("piece").to_pylist()
        written = [self._encoder(pickle.loads(piece)) for piece in sent]  # noqa: S301
        return pa.table({"written": [pickle.dumps(w) for w in written]})
