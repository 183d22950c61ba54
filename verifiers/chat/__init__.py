"""One OpenAI-like server: endpoint, client, live and batch transport, replies, rate limit, budget.

Importing it loads no HTTP client; `connect` does, unless the options are offline.
"""

from restem.verifiers.chat.client import ChatClient
from restem.verifiers.chat.connect import connect
from restem.verifiers.chat.endpoint import ChatRequest, Endpoint
from restem.verifiers.chat.reply import ChatReply, Rejected
from restem.verifiers.chat.transport import CallStore, Progress, Transport

__all__ = [
    "CallStore",
    "ChatClient",
    "ChatReply",
    "ChatRequest",
    "Endpoint",
    "Progress",
    "Rejected",
    "Transport",
    "connect",
]
