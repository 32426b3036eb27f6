"""What a worker does: piece in, shard out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from mmedrag.bulk.pieces import Piece, Written, present
from mmedrag.bulk.plan import Plan
from mmedrag.bulk.shards import Heading, write_shard
from mmedrag.errors import CorpusError, EncoderMismatch
from mmedrag.preparation import Prepared, encode, prepared_batches, route
from mmedrag.presets import Stages, build
from mmedrag.provenance import dictionary
from mmedrag.threads import limit_models
from mmedrag.types import Problem


class Encoder:
    """The models of an encoding, loaded once; called with a piece, it makes the shard.

    Args:
        plan: of the encoding.
        threads: of the models for one call; 0 takes all cores.
        stages: of the plan's preset, where they are loaded already.

    Raises:
        EncoderMismatch: the models are not those that the encoding began with.
        ModelError: a model cannot be loaded.
    """

    def __init__(self, plan: Plan, threads: int = 0, stages: Stages | None = None) -> None:
        if threads:
            limit_models(threads)
        plan.register_domains()
        self._plan = plan
        self._stages = stages or build(plan.preset, plan.models)
        self._definitions = dictionary(plan.dictionaries)
        if self._stages.embedder.fingerprint != plan.fingerprint:
            raise EncoderMismatch(
                f"This machine's encoders are not those that {plan.into} was begun with",
                "Install the same release and models for every worker.",
            )

    def __call__(self, piece: Piece) -> Written:
        """Make the shard of a piece, unless it is there.

        Raises:
            CorpusError: the disk fails.
        """
        if (made := present(self._plan, piece)) is not None:
            return made
        cases: list[Prepared] = []
        problems: list[Problem] = []
        with ThreadPoolExecutor(1, "decode") as workers:
            for batch in prepared_batches(piece.rows, workers):
                problems += [item for item in batch if isinstance(item, Problem)]
                cases += self._encoded([item for item in batch if isinstance(item, Prepared)])
        recogniser = self._definitions.fingerprint
        heading = Heading(piece.source, piece.digest, recogniser, len(cases), tuple(problems))
        try:
            write_shard(self._plan.into, piece.number, cases, heading)
        except OSError as error:
            raise CorpusError(
                f"{self._plan.into} cannot be written ({error.strerror})",
                "Free the disk and run the same command again; it goes on.",
            ) from None
        return Written(piece.number, len(piece.rows), len(cases), tuple(problems))

    def _encoded(self, batch: list[Prepared]) -> list[Prepared]:
        vectors = encode(batch, self._stages.embedder)
        domains = route([p for p in batch if p.case.domain is None], self._stages.classifier)
        mentions = self._definitions.recognise([p.case.text for p in batch])
        return [
            replace(
                p,
                case=replace(p.case, domain=domains.get(p.case.id, p.case.domain)),
                picture=None,
                vector=vectors[p.content],
                mentions=recognised,
                recogniser=self._definitions.fingerprint,
            )
            for p, recognised in zip(batch, mentions, strict=True)
        ]
