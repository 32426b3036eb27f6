"""A casebase in other people's programs: agents (MCP), LangChain, LlamaIndex, Haystack."""
