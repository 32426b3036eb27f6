"""Bulk encoding: a corpus to Parquet shards by many processes or machines, shards to a casebase.

A corpus is cut into pieces of so many rows (:mod:`~mmedrag.bulk.pieces`); a worker makes a shard of
each (:mod:`~mmedrag.bulk.encoder`): texts, metadata, vectors, thumbnails and the terms of reports.
Workers are plain processes (:mod:`~mmedrag.bulk.processes`) or actors of Ray Data
(:mod:`~mmedrag.bulk.ray_data`). A shard that is there and fits its piece is not made again, so that
a run goes on where another one stopped, whoever was killed.
"""
