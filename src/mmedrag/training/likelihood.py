"""How likely a language model finds an answer, and how far it has moved from where it started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmedrag.answers.local_model import LanguageModel, Message, accepted
from mmedrag.torch_import import Foreign, open_torch


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a prompt with an answer behind it; the answer begins at ``start``."""

    ids: tuple[int, ...]
    start: int


def tokens(writer: LanguageModel, prompt: Sequence[Message], answer: str) -> Tokens:
    """A prompt and an answer as the chat template joins them.

    Raises:
        GenerationError: there is no chat template.
    """
    messages = accepted(writer.tokenizer, prompt)
    template = writer.tokenizer.apply_chat_template
    begun = template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    whole = template(
        [*messages, {"role": "assistant", "content": answer}], tokenize=True, return_dict=True
    )
    before, ids = list(begun["input_ids"]), list(whole["input_ids"])
    shared = next((i for i, (a, b) in enumerate(zip(before, ids, strict=False)) if a != b), None)
    return Tokens(tuple(ids), min(len(before), len(ids)) if shared is None else shared)


def log_likelihoods(writer: LanguageModel, text: Tokens) -> Foreign:
    """The natural logarithm of each answer token's probability, float32 ``(tokens,)``."""
    torch, _ = open_torch()
    logits, ids = _answer_logits(writer, text)
    chosen = torch.gather(torch.log_softmax(logits, dim=-1), 1, ids[:, None])
    return chosen[:, 0]


def divergence(start: Foreign, tuned: Foreign) -> float:
    """KL of the tuned model to its start in nats a token, over whole distributions.

    Args:
        start: logits of the answer tokens by the model as it was, ``(tokens, vocabulary)``.
        tuned: by the tuned one.
    """
    torch, _ = open_torch()
    now, before = torch.log_softmax(tuned, dim=-1), torch.log_softmax(start, dim=-1)
    return float((now.exp() * (now - before)).sum(dim=-1).mean())


def answer_logits(writer: LanguageModel, text: Tokens) -> Foreign:
    """The logits that predict each answer token, float32 ``(tokens, vocabulary)``."""
    return _answer_logits(writer, text)[0]


def _answer_logits(writer: LanguageModel, text: Tokens) -> tuple[Foreign, Foreign]:
    torch, _ = open_torch()
    ids = torch.tensor([text.ids], device=writer.model.device)
    with torch.inference_mode():
        logits = writer.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    return logits[text.start - 1 : -1].float(), ids[0, text.start :]
