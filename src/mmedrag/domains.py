"""The domain corpora of section 3.2: their names, and the prompts that zero-shot routing knows.

Three are built in. More can be registered, and then shards, loaders, command line and classifiers
treat them alike:

>>> from mmedrag import domains
>>> skin = domains.register("dermatology", ["a dermoscopy image", "a photograph of a skin lesion"])

Classifiers of CLIP type route to it by its prompts, from when they are next built; the trained
classifier of the preset ``offline`` when ``mmedrag train modality`` has learned it. A casebase
remembers its domains, so that whoever opens it need not register them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final, Literal, TypeAlias

from mmedrag.errors import QueryError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = frozenset({"all", "any", "auto", "none", "unassigned", "unspecified"})


ALL: Final = "all"
"""Asked for in place of a domain: all cases are searched, also those without a domain."""


class _Registered(type):
    def __iter__(cls) -> Iterator[Domain]:
        return iter(_REGISTRY.values())

    def __len__(cls) -> int:
        return len(_REGISTRY)


class Domain(str, metaclass=_Registered):
    """The name of a domain corpus: lower-case letters, digits, ``-`` and ``_``, at most 40.

    Iterating over the class gives the registered domains, the three of the paper first. A name
    that nobody has registered can be made all the same: :func:`find` tells them apart.

    Raises:
        QueryError: where it is no such name.
    """

    __slots__ = ()

    RADIOLOGY: ClassVar[Domain]
    PATHOLOGY: ClassVar[Domain]
    OPHTHALMOLOGY: ClassVar[Domain]

    def __new__(cls, name: str) -> Domain:
        """The registered domain of that name, or a new one."""
        registered = _REGISTRY.get(str(name))
        if registered is not None:
            return registered
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise QueryError(
                f"{name[:60]!r} cannot be the name of a domain",
                "Use lower-case letters, digits, - and _, at most 40; as dermatology.",
            )
        return super().__new__(cls, name)

    def __repr__(self) -> str:
        return f"Domain({str(self)!r})"


Scope: TypeAlias = Domain | Literal["all"]
"""What a question may be restricted to."""

_REGISTRY: dict[str, Domain] = {}
_PROMPTS: dict[Domain, tuple[str, ...]] = {}


def register(name: str, prompts: Sequence[str] = ()) -> Domain:
    """Make a domain known, or give a known one other prompts.

    Args:
        name: of the corpus; see :class:`Domain`.
        prompts: what its images are, as captions; by default the paper's kind of prompt alone.

    Raises:
        QueryError: where the name or a prompt cannot be used.
    """
    if isinstance(prompts, str) or not all(isinstance(p, str) and p.strip() for p in prompts):
        raise QueryError(
            f"The prompts of {name!r} are not texts", 'Give captions, as ["a dermoscopy image"].'
        )
    domain = Domain(name)
    _REGISTRY[str(domain)] = domain
    if prompts or domain not in _PROMPTS:
        _PROMPTS[domain] = tuple(prompts) or paper_prompt(domain)
    return domain


def get(name: str) -> Domain | None:
    """The registered domain of that name, if there is one."""
    return _REGISTRY.get(name)


def find(name: str) -> Domain:
    """The registered domain of that name.

    Raises:
        QueryError: where there is none.
    """
    domain = get(name)
    if domain is None:
        raise QueryError(
            f"There is no domain {name!r}",
            f"Choose from {', '.join(Domain)}, or register it (--new-domain).",
        )
    return domain


def asked(name: str) -> Scope | None:
    """Where a user wants to search: a registered domain, or :data:`ALL`.

    Args:
        name: as it was written; nothing where the classifier is to decide.

    Raises:
        QueryError: there is no such domain.
    """
    if name == ALL:
        return ALL
    return find(name) if name else None


def prompts() -> dict[str, tuple[str, ...]]:
    """The prompts of every registered domain, for classifiers of CLIP type (eq. 1)."""
    return {str(domain): _PROMPTS[domain] for domain in Domain}


def paper_prompts() -> dict[str, tuple[str, ...]]:
    """One prompt for every registered domain, as in the paper, which does not print its own."""
    return {str(domain): paper_prompt(domain) for domain in Domain}


def paper_prompt(domain: Domain) -> tuple[str, ...]:
    """``("a radiology image",)``."""
    return (f"{'an' if domain[0] in 'aeiou' else 'a'} {domain} image",)


def added() -> Mapping[str, tuple[str, ...]]:
    """The prompts of the domains that are not built in, as a casebase remembers them."""
    return {str(d): _PROMPTS[d] for d in Domain if d not in BUILT_IN}


Domain.RADIOLOGY = register(
    "radiology",
    [
        "a chest X-ray",
        "a radiograph of a bone",
        "a CT scan slice",
        "an MRI scan of the brain",
        "an ultrasound image",
        "a mammogram",
        "a radiology scan",
    ],
)
Domain.PATHOLOGY = register(
    "pathology",
    [
        "a histopathology slide stained with haematoxylin and eosin",
        "a microscope image of tissue",
        "a blood smear under the microscope",
        "an immunohistochemistry stain",
        "a cytology specimen",
    ],
)
Domain.OPHTHALMOLOGY = register(
    "ophthalmology",
    [
        "a colour fundus photograph of the retina",
        "an optical coherence tomography scan of the retina",
        "a fluorescein angiogram of the eye",
        "a slit lamp photograph of the eye",
    ],
)
BUILT_IN = tuple(Domain)
"""The three domains of the paper."""
