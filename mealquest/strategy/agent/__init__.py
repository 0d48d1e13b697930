"""The agent that drafts campaigns: it reads facts and proposes, and never acts.

Light modules, for every process: domain, config, facts, trace, planning, variants, prompts, gate,
breaker, shared, runtime. `graphs`, `gateway`, `checkpoints` and `run` bring LangGraph and the
model's client with them: only the agent's worker imports those.
"""

import os

# LangGraph would send traces to its makers' service if the environment asked it to.
for name in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"):
    os.environ[name] = "false"
