"""One dual encoder being trained: what is learned, by which steps, and how it is put away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmedrag.datasets.corpus import Codes
from mmedrag.training.gradient_cache import cached_backward
from mmedrag.training.losses import LARGEST_SCALE, SCALE, group_positives, symmetric_info_nce
from mmedrag.training.scaling import Scaling, folded
from mmedrag.training.schedule import Schedule
from mmedrag.training.towers import Rows, Tower, set_learning
from mmedrag.types import Matrix

RATE, BACKBONE_RATE = 1e-3, 2e-5
"""Peak learning rates of the heads, and of a network that was trained before."""

DECAY = 0.05
DROPOUT = 0.5
"""Of the features that go into the heads, in training only."""

_ENCODED = 32  # items at a time where nothing is learned
_SEEN = 512  # items whose features are standardised by


class ProjectionHeads(nn.Module):
    """The projections of section 3.3 on standardised features, and the temperature."""

    image_mean: Tensor
    image_deviation: Tensor
    text_mean: Tensor
    text_deviation: Tensor

    def __init__(self, images: Scaling, texts: Scaling, dim: int) -> None:
        super().__init__()
        self.scalings = images, texts
        self.image = nn.Linear(len(images.mean), dim)
        self.text = nn.Linear(len(texts.mean), dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))
        for name, scaling in (("image", images), ("text", texts)):
            self.register_buffer(f"{name}_mean", torch.from_numpy(scaling.mean), persistent=False)
            self.register_buffer(
                f"{name}_deviation", torch.from_numpy(scaling.deviation), persistent=False
            )

    def forward(self, images: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors ``(n, dim)`` of both sides."""
        x = (images - self.image_mean) / self.image_deviation
        y = (texts - self.text_mean) / self.text_deviation
        x, y = (functional.dropout(side, DROPOUT, self.training) for side in (x, y))
        return functional.normalize(self.image(x), dim=1), functional.normalize(self.text(y), dim=1)

    @property
    def scale(self) -> Tensor:
        """The inverse temperature. A tensor ``()``."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Weights of the fusion ``contrastive``, for features as the encoders give them.

        Weights float32 ``(dim, width)``, biases ``(dim,)``.
        """
        named = ("image.weight", "image.bias", "text.weight", "text.bias")
        state = self.state_dict()
        return folded({name: state[name].cpu().numpy() for name in named}, *self.scalings)


class Learner:
    """Two towers and their heads, with AdamW.

    Args:
        images: the image tower.
        texts: the text tower.
        groups: codes ``(cases, kinds)`` of what makes cases positives of each other.
        rows: the cases that are learned from.
        schedule: length and sizes.
        dim: of the shared space.
        seed: of weights, batches and dropout; the same seed gives the same weights.
        device: where the heads live; that of the networks.
    """

    def __init__(
        self,
        images: Tower,
        texts: Tower,
        groups: Codes,
        rows: Rows,
        schedule: Schedule,
        *,
        dim: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self._towers, self._groups = (images, texts), torch.from_numpy(groups).to(device)
        self._rows, self._schedule, self._seed, self._device = rows, schedule, seed, device
        torch.manual_seed(seed)
        first = [*rows][:_SEEN]
        seen = [Scaling.of(self._encoded(tower, first)) for tower in self._towers]
        self.heads = ProjectionHeads(seen[0], seen[1], dim)
        self.heads.to(device)
        self._optimiser = torch.optim.AdamW(self._parameter_groups(), weight_decay=DECAY)

    def learn(self, epoch: int) -> float:
        """One pass over the rows; the mean loss. It depends on nothing but weights and epoch."""
        torch.manual_seed(self._seed * 1_000_003 + epoch)
        self._set_learning(True)
        order = np.random.default_rng((self._seed, epoch)).permutation(np.asarray(self._rows))
        losses = []
        for number, batch in enumerate(self._batches(order)):
            self._set_rate(epoch * self._schedule.steps(len(order)) + number)
            self._optimiser.zero_grad()
            losses.append(self._backward(batch.tolist(), epoch))
            self._optimiser.step()
        return float(np.mean(losses))

    def embed(self, rows: Rows) -> tuple[Matrix, Matrix]:
        """Image and text vectors of cases as in use, ``(n, dim)`` each."""
        self._set_learning(False)
        made = [self._encoded(tower, rows) for tower in self._towers]
        with torch.inference_mode():
            sides = self.heads(*(torch.from_numpy(side).to(self._device) for side in made))
        images, texts = (side.float().cpu().numpy() for side in sides)
        return images, texts

    def state(self) -> dict[str, Tensor]:
        """All that is learned, by name."""
        return {name: parameter.detach() for name, parameter in self._parameters()}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Take learned weights back."""
        with torch.no_grad():
            for name, parameter in self._parameters():
                parameter.copy_(state[name])

    def moments(self) -> dict[str, Tensor]:
        """AdamW's memory of every parameter, by name."""
        return {
            f"{name}.{kind}": torch.as_tensor(value)
            for name, parameter in self._parameters()
            for kind, value in self._optimiser.state[parameter].items()
        }

    def set_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Take AdamW's memory back."""
        for name, parameter in self._parameters():
            self._optimiser.state[parameter] = {
                kind: moments[f"{name}.{kind}"].clone()
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if f"{name}.{kind}" in moments
            }

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        networks = zip(("image", "text"), (t.network for t in self._towers), strict=True)
        for name, module in (("heads", self.heads), *networks):
            if module is not None:
                for inner, parameter in module.named_parameters():
                    yield f"{name}.{inner}", parameter

    def _parameter_groups(self) -> list[dict[str, object]]:
        """Networks learn slowly; vectors (biases, norms, the temperature) do not decay."""
        groups = []
        for name, parameter in self._parameters():
            rate = RATE if name.startswith("heads.") else BACKBONE_RATE
            decay = DECAY if parameter.ndim > 1 else 0.0
            groups.append({"params": [parameter], "lr": rate, "peak": rate, "weight_decay": decay})
        return groups

    def _set_learning(self, learning: bool) -> None:
        self.heads.train(learning)
        for tower in self._towers:
            set_learning(tower.network, learning)

    def _set_rate(self, step: int) -> None:
        share = self._schedule.rate(step, len(self._rows))
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * share

    def _batches(self, order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        size = self._schedule.batch
        for number in range(self._schedule.steps(len(order))):
            yield order[number * size : (number + 1) * size]

    def _backward(self, rows: Rows, epoch: int) -> float:
        images, texts = (tower.prepare(rows, epoch) for tower in self._towers)
        index = torch.as_tensor(rows, device=self._device)
        positive = group_positives(self._groups[index])

        def embed(rows_of_batch: slice) -> tuple[Tensor, Tensor]:
            with self._precision():
                seen = (
                    self._towers[0].features(images[rows_of_batch]),
                    self._towers[1].features(texts[rows_of_batch]),
                )
            return self.heads(*(side.float().to(self._device) for side in seen))  # type: ignore[no-any-return]

        def loss(one: Tensor, other: Tensor) -> Tensor:
            return symmetric_info_nce(one, other, positive, self.heads.scale)

        return cached_backward(embed, len(rows), self._schedule.micro, loss)

    def _encoded(self, tower: Tower, rows: Rows) -> Matrix:
        """Features without a graph and without augmentation."""
        set_learning(tower.network, False)
        made = []
        for start in range(0, len(rows), _ENCODED):
            inputs = tower.prepare(rows[start : start + _ENCODED], None)
            with torch.inference_mode(), self._precision():
                made.append(tower.features(inputs).float().cpu().numpy())
        return np.concatenate(made)

    def _precision(self) -> torch.autocast:
        """Half precision on a GPU that has bfloat16, where it costs no range."""
        on_gpu = self._device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self._device.type, torch.bfloat16, enabled=on_gpu)
