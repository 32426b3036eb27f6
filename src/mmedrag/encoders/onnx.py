"""Opening ONNX models: digests, threads, and errors that name the file."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mmedrag.errors import CheckpointError
from mmedrag.threads import of_models


class OnnxModel:
    """One ONNX file on the CPU.

    Args:
        path: the ``.onnx`` file, or ``.onnx.gz``, whose digest is that of the file within.
        threads: of ONNX Runtime for one call; 0 takes all cores, or what the process is limited to.
        sha256: the digest that the file must have, where it is known.

    Raises:
        CheckpointError: where the file is absent, damaged, or not the one expected.
    """

    def __init__(self, path: Path, *, threads: int = 0, sha256: str | None = None) -> None:
        self.path = Path(path)
        contents = _read(self.path)
        self.sha256 = hashlib.sha256(contents).hexdigest()
        if sha256 is not None and sha256 != self.sha256:
            raise CheckpointError(
                f"{self.path} has the digest {self.sha256[:12]}, not {sha256[:12]}",
                "The file is damaged or another version; install it again.",
            )
        self._session = _open(contents, self.path, threads)
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self.outputs = {o.name: tuple(o.shape) for o in self._session.get_outputs()}

    def width(self, output: str) -> int:
        """The size of axis 1 of an output of rank 2 or 4, or of the last axis of one of rank 3.

        Raises:
            CheckpointError: where the model has no such output or leaves that size open.
        """
        shape = self.outputs.get(output, ())
        size = shape[-1 if len(shape) == 3 else 1] if len(shape) in (2, 3, 4) else None
        if not isinstance(size, int):
            raise CheckpointError(
                f"{self.path} has no output {output!r} of a fixed width (it has {self.outputs})",
                "Export the model as docs/notes/encoders.md describes.",
            )
        return size

    def require_inputs(self, *names: str) -> None:
        """Check that the model takes the inputs ``names``.

        Raises:
            CheckpointError: where one is missing.
        """
        if missing := set(names) - set(self.inputs):
            raise CheckpointError(
                f"{self.path} has no input {', '.join(sorted(missing))} (it has {self.inputs})",
                "Export the model as docs/notes/encoders.md describes.",
            )

    def run(self, outputs: Sequence[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The named outputs for the inputs in ``feed``.

        Raises:
            CheckpointError: where the model fails on well-formed input.
        """
        try:
            results = self._session.run(list(outputs), dict(feed))
        except _ORT_FAILURES as error:
            raise CheckpointError(
                f"{self.path} failed ({_first_line(error)})",
                "The model does not fit its settings; install or export it again.",
            ) from None
        return [np.asarray(o) for o in results]


_state = ort.capi.onnxruntime_pybind11_state
_ORT_FAILURES: tuple[type[Exception], ...] = (
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NoSuchFile,
    _state.NotImplemented,
    _state.RuntimeException,
    RuntimeError,
    ValueError,
)


def _read(path: Path) -> bytes:
    try:
        contents = path.read_bytes()
        return gzip.decompress(contents) if path.suffix == ".gz" else contents
    except (OSError, EOFError, zlib.error) as error:
        raise CheckpointError(
            f"The model {path} cannot be read ({getattr(error, 'strerror', None) or error})",
            "Install the package again, or give the path of an ONNX file.",
        ) from None


def _open(contents: bytes, path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or of_models()
    options.log_severity_level = 4  # what fails is raised; ONNX Runtime need not print it too
    # A thread that waits sleeps: spinning saves little on a quiet machine and costs much on a busy
    # one, where it takes the time of the thread that it waits for.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A plan of memory for every length of text that ever came would be kept, and gains no time.
    options.enable_mem_pattern = False
    # Weights stored as int8 are made float32 once, when the model is opened, not at every call.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return ort.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    except _ORT_FAILURES as error:
        raise CheckpointError(
            f"{path} is not a usable ONNX model ({_first_line(error)})",
            "The file is damaged; install the package or export the model again.",
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
