"""One OpenAI-like server: client, live and batch transport, replies, rate limit, budget."""
