"""The last step of section 3.6 with a language model in this process: a folder of weights.

``transformers`` runs it, from what ``mmedrag train generator`` writes or any folder of a causal
model with a chat template. Nothing leaves the machine, and no server is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock, Thread

from jinja2 import TemplateError
from safetensors import SafetensorError

from mmedrag.answers.prompts import messages, within_budget
from mmedrag.citations import resolve
from mmedrag.errors import CheckpointError, GenerationError, TooManyTokens
from mmedrag.text.reasoning import RETRACTED, answer_only
from mmedrag.torch_import import Foreign, open_torch, quiet
from mmedrag.types import Evidence, Question

Message = Mapping[str, str]
"""``role`` and ``content``, as the chat completions API has them."""

USER = "A generator that is a folder"
"""What needs the libraries, for the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalGenerator:
    """Lets a causal language model answer from the evidence, and streams what it writes.

    ``folder`` is loaded at the first answer and kept for the next. ``context_tokens`` bounds
    question and evidence (upper estimate), ``max_tokens`` the answer. ``temperature`` 0 takes the
    likeliest token each time.
    """

    folder: Path
    context_tokens: int = 6000
    max_tokens: int = 800
    temperature: float = 0.0

    def __post_init__(self) -> None:
        if not (self.folder / "config.json").is_file():
            raise CheckpointError(
                f"{self.folder} is no folder of a language model (it has no config.json)",
                "Give what 'mmedrag train generator' wrote, or a model saved by transformers.",
            )

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        """Yield the model's answer in pieces as they are written.

        Raises:
            MissingExtra: without PyTorch and transformers.
            CheckpointError: the folder cannot be loaded.
            TooManyTokens: the question leaves no room for evidence or for an answer.
            GenerationError: the model has no chat template, or fails.
        """
        sent = within_budget(question, evidence, self.context_tokens)
        model = opened(self.folder)
        pieces = model.write(
            messages(question, sent), max_tokens=self.max_tokens, temperature=self.temperature
        )
        # The pipeline knows the keys that were left out for length; the model did not see them.
        for piece in resolve(answer_only(pieces), sent):
            yield RETRACTED if piece.retracts else piece.text


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A causal model and its tokenizer; one answer is written at a time."""

    model: Foreign
    tokenizer: Foreign
    lock: Lock = field(default_factory=Lock)

    def prompt(self, messages: Sequence[Message]) -> Foreign:
        """The token ids of the messages and of the beginning of the answer, ``(1, length)``.

        Raises:
            GenerationError: there is no chat template, or it refuses the messages.
        """
        encoded = self.tokenizer.apply_chat_template(
            accepted(self.tokenizer, messages),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        return encoded["input_ids"].to(self.model.device)

    def write(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0
    ) -> Iterator[str]:
        """The answer to the messages in pieces; ends early where the caller stops reading.

        Raises:
            TooManyTokens: the messages fill the model's window.
            GenerationError: there is no chat template, or the model fails.
        """
        ids = self.prompt(messages)
        room = min(max_tokens, window(self.model) - ids.shape[1])
        if room < 1:
            raise TooManyTokens(
                f"The question and its evidence are {ids.shape[1]} tokens, and the model reads "
                f"{window(self.model)}",
                "Ask with fewer cases, or use a model with a larger window.",
            )
        sampled = {"do_sample": True, "temperature": temperature} if temperature > 0 else {}
        with self.lock:
            yield from self._stream(ids, {"max_new_tokens": room, "do_sample": False} | sampled)

    def _stream(self, ids: Foreign, settings: Mapping[str, object]) -> Iterator[str]:
        """What ``generate`` writes in a thread of its own."""
        torch, transformers = open_torch(USER)
        streamer = transformers.TextIteratorStreamer(
            self.tokenizer, skip_prompt=True, skip_special_tokens=True
        )
        stopped, failures = Event(), list[Exception]()

        def run() -> None:
            try:
                self.model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    streamer=streamer,
                    stopping_criteria=[lambda written, scores: stopped.is_set()],
                    pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
                    **settings,
                )
            except Exception as error:  # noqa: BLE001 - a thread's error is raised by its reader
                failures.append(error)
                streamer.end()

        writing = Thread(target=run)
        writing.start()
        try:
            yield from streamer
        finally:
            stopped.set()
            writing.join()
        if failures:
            raise GenerationError(
                f"The model fails ({failures[0]})", "Ask with fewer cases, or use a smaller model."
            ) from failures[0]


def window(model: Foreign) -> int:
    """How many tokens a model reads and writes together."""
    return int(getattr(model.config, "max_position_embeddings", None) or 1 << 20)


def accepted(tokenizer: Foreign, messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages as the chat template takes them: without a system role where it has none.

    Raises:
        GenerationError: there is no chat template, or it refuses both.
    """
    if not tokenizer.chat_template:
        raise GenerationError(
            f"The tokenizer of {tokenizer.name_or_path} has no chat template",
            "Use a model that is tuned to follow instructions.",
        )
    whole = [dict(message) for message in messages]
    rules = "\n\n".join(message["content"] for message in whole)
    for form in (whole, [{"role": "user", "content": rules}]):
        with suppress(TemplateError):
            tokenizer.apply_chat_template(form, add_generation_prompt=True, tokenize=False)
            return form
    raise GenerationError(
        f"The chat template of {tokenizer.name_or_path} takes no user message",
        "Use a model that is tuned to follow instructions.",
    )


@lru_cache(maxsize=2)
def opened(folder: Path) -> LanguageModel:
    """A folder's model, ready to write: on the GPU where there is one, in its own precision.

    Raises:
        MissingExtra: without PyTorch and transformers.
        CheckpointError: it cannot be loaded.
    """
    torch, _ = open_torch(USER)
    model, tokenizer = load_model(str(folder), dtype="auto")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return LanguageModel(model.to(device).eval(), tokenizer)


def load_model(source: str, *, dtype: object) -> tuple[Foreign, Foreign]:
    """The causal model and the tokenizer of a folder or a hub id.

    Raises:
        MissingExtra: without PyTorch and transformers.
        CheckpointError: it cannot be loaded.
    """
    _, transformers = open_torch(USER)
    try:
        with quiet(transformers.utils.logging, bars=Path(source).is_dir()):
            return (
                transformers.AutoModelForCausalLM.from_pretrained(source, dtype=dtype),
                transformers.AutoTokenizer.from_pretrained(source),
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"The language model {source} cannot be loaded ({reason})",
            "Give a causal model with its tokenizer, as transformers saves them.",
        ) from None
