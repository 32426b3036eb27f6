"""MCP: what an agent gets from ``mmedrag mcp``, here from a server in the same process."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from mcp import Client

import mmedrag
from mmedrag.integrations.mcp import server
from mmedrag.phantoms.corpus import generate


async def talk(rag: mmedrag.MMedRAG) -> None:
    """List the tools and ask; ``StdioServerParameters`` in place of the server starts a process."""
    async with Client(server(rag)) as client:
        print([tool.name for tool in (await client.list_tools()).tools])
        result = await client.call_tool("ask", {"question": "Is there a pneumothorax?", "k": 3})
        print(result.structured_content["answer"]["text"])


def main() -> None:
    """Serve a synthetic casebase and ask it."""
    with tempfile.TemporaryDirectory() as folder:
        casebase = Path(folder) / "synthetic.casebase"
        mmedrag.index(generate(24, into=Path(folder) / "corpus"), into=casebase)
        with mmedrag.load(casebase) as rag:
            asyncio.run(talk(rag))


if __name__ == "__main__":
    main()
