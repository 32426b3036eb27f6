"""What concepts are and how they are related, over several dictionaries at once.

Every code of every open dictionary is a concept. Concepts of two dictionaries are the same where
the term of the one is a name of the other, so that "left pleural effusion" of RadLex is a pleural
effusion of the glossary, and an effusion; so are those that a cross reference joins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from mmedrag.definitions.compiled import CompiledDictionary, Concept
from mmedrag.definitions.entities import prefix_hashes
from mmedrag.definitions.kinds import kind_by_ending
from mmedrag.definitions.references import normal_reference, spellings
from mmedrag.text.wording import codes
from mmedrag.types import Domain, Kind

REMEMBERED = 1 << 16
"""Concepts whose properties are kept once they were asked for."""

MANY = 2000
"""Descendants beyond this many are of no use to a search and are not listed."""


class _Node(NamedTuple):
    """A concept, and the number of the dictionary that has it."""

    number: int
    concept: Concept


class Related(NamedTuple):
    """A relation that a dictionary states between two concepts, by their codes."""

    subject: str
    type: str
    object: str
    source: str


class _Properties(NamedTuple):
    """All that is asked of one concept but its descendants."""

    kind: Kind
    name: str
    region: str
    domains: tuple[Domain, ...]
    same: frozenset[str]
    ancestors: dict[str, None]


class Concepts:
    """An :class:`~mmedrag.protocols.Ontology` over compiled dictionaries.

    Concepts are given and returned by code. The first question about a concept reads the
    dictionaries, later ones cost a look-up. Safe to share between threads.

    Args:
        dictionaries: in order of preference. Where they disagree on the kind, name or region of a
            concept that several of them have, the first that states it is believed.
    """

    def __init__(self, dictionaries: Sequence[CompiledDictionary]) -> None:
        self._dictionaries = tuple(dictionaries)
        self._of = lru_cache(REMEMBERED)(self._properties)
        self._below = lru_cache(REMEMBERED)(self._descendants)

    def kind(self, concept: str) -> Kind:
        """What sort of thing it is; a finding where nothing says otherwise.

        Its dictionary says it, else its nearest ancestor that is of a kind, else its last word.
        """
        return self._of(concept).kind

    def name(self, concept: str) -> str:
        """Its preferred term; the code itself where no dictionary has it."""
        return self._of(concept).name

    def names(self, concept: str) -> tuple[str, ...]:
        """How reports write it: the term, synonyms and abbreviations, without lay words."""
        names = (
            n
            for node in self._same(concept)
            for n in self._dictionaries[node.number].names(node[1])
        )
        return tuple(dict.fromkeys(names))

    def region(self, concept: str) -> str:
        """The part of the body that it is in or speaks of, a concept of kind anatomy.

        Its own or its nearest ancestor's; empty where none is named.
        """
        return self._of(concept).region

    def domains(self, concept: str) -> tuple[Domain, ...]:
        """The corpora whose reports use it; empty where no dictionary says."""
        return self._of(concept).domains

    def same(self, concept: str) -> frozenset[str]:
        """The codes that mean the same in any dictionary, itself included."""
        return self._of(concept).same

    def is_a(self, concept: str, ancestor: str) -> bool:
        """Whether ``concept`` is ``ancestor``, in any dictionary, or one of its kinds.

        A pleural effusion is an effusion; every concept is itself.
        """
        properties = self._of(concept)
        return ancestor in properties.same or ancestor in properties.ancestors

    def ancestors(self, concept: str) -> tuple[str, ...]:
        """What it is a kind of, nearest first, without itself."""
        return tuple(self._of(concept).ancestors)

    def descendants(self, concept: str) -> tuple[str, ...]:
        """Its kinds, nearest first, without itself; the first :data:`MANY` of them."""
        return self._below(concept)

    def related(self, concept: str) -> tuple[Related, ...]:
        """The relations other than is-a that dictionaries state of it, from it and to it."""
        relations: list[Related] = []
        for number, own in self._same(concept):
            if self._dictionaries[number].has_links:
                links = self._dictionaries[number].links(own)
                relations += [Related(own.code, t, c.code, own.source) for t, c in links.outgoing]
                relations += [Related(c.code, t, own.code, c.source) for t, c in links.incoming]
        return tuple(dict.fromkeys(relations))

    def find(self, name: str) -> str:
        """The concept of that name, by the rules by which texts are read; empty where none is."""
        named = (c for n in range(len(self._dictionaries)) for c in self._named(name, n))
        return next((concept.code for concept in named), "")

    def _properties(self, code: str) -> _Properties:
        nodes = self._same(code)
        same = frozenset({code, *(node.concept.code for node in nodes)})
        above = list(self._walk(nodes, CompiledDictionary.parents))
        concepts = [node.concept for node in (*nodes, *above)]
        name = nodes[0].concept.term if nodes else code
        kind = next((c.kind for c in concepts if c.kind), "")
        domains = next((node.concept.domains for node in nodes if node.concept.domains), "")
        codes_above = dict.fromkeys(node.concept.code for node in above)
        return _Properties(
            kind=Kind(kind) if kind else kind_by_ending(name),
            name=name,
            region=next((c.region for c in concepts if c.region), ""),
            domains=tuple(map(Domain, domains.split())),
            same=same,
            ancestors={c: None for c in codes_above if c not in same},
        )

    def _descendants(self, code: str) -> tuple[str, ...]:
        same = self.same(code)
        below = (n.concept.code for n in self._walk(self._same(code), CompiledDictionary.children))
        return tuple(dict.fromkeys(islice((c for c in below if c not in same), MANY)))

    def _walk(
        self,
        start: Sequence[_Node],
        step: Callable[[CompiledDictionary, Concept], list[Concept]],
    ) -> Iterator[_Node]:
        """Everything one or more steps from ``start``, nearest first; circles end."""
        seen, waiting = set(start), deque(start)
        while waiting:
            node = waiting.popleft()
            for concept in step(self._dictionaries[node.number], node.concept):
                for near in self._equals(_Node(node.number, concept)):
                    if near not in seen:
                        seen.add(near)
                        waiting.append(near)
                        yield near

    def _same(self, code: str) -> list[_Node]:
        """The concept in every dictionary that has it, by code or by name."""
        own = [
            _Node(number, concept)
            for number, dictionary in enumerate(self._dictionaries)
            for concept in dictionary.concepts(code)
        ]
        nodes = dict.fromkeys(near for node in own for near in self._equals(node))
        return sorted(nodes, key=lambda node: node.number)

    def _equals(self, node: _Node) -> list[_Node]:
        """The node itself, and those that mean the same, by name or by cross reference."""
        referred = list(self._referred(node))
        others = [n for n in range(len(self._dictionaries)) if n != node.number]
        if not others:
            return list(dict.fromkeys([node, *referred]))
        names = self._dictionaries[node.number].names(node.concept)
        equal = [
            _Node(n, other)
            for n in others
            for name in dict.fromkeys([node.concept.term, *names])
            for other in self._named(name, n)
            if name == node.concept.term or codes(other.term) == codes(name)
        ]
        return list(dict.fromkeys([node, *equal, *referred]))

    def _referred(self, node: _Node) -> Iterator[_Node]:
        """Those to which it has a cross reference, and those that have one to it."""
        own = self._dictionaries[node.number]
        codes_there = own.links(node.concept).codes if own.has_links else ()
        written = [spelling for code in codes_there for spelling in spellings(code)]
        for number, dictionary in enumerate(self._dictionaries):
            for code in written:
                yield from (_Node(number, c) for c in dictionary.concepts(code))
            if dictionary.has_links:
                code = normal_reference(node.concept.code)
                yield from (_Node(number, c) for c in dictionary.referring(code))

    def _named(self, name: str, number: int) -> list[Concept]:
        """The concepts of dictionary ``number`` that are called ``name`` in any context."""
        tokens = codes(name)
        key = prefix_hashes(tokens)[-1] if tokens else 0
        dictionary = self._dictionaries[number]
        if not tokens or key not in dictionary.lexicon:
            return []
        candidates = dictionary.candidates([key])[key]
        return [c.concept for c in candidates if not c.contexts and (not c.exact or c.name == name)]
