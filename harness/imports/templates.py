"""Prompts of trainers as plain text, under the name that formats import: see benchmarks/chat_templates.py."""

from restem.benchmarks.chat_templates import as_messages, plain_question, plain_response, plain_text, without_ending

__all__ = ["as_messages", "plain_question", "plain_response", "plain_text", "without_ending"]
