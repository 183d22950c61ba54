"""A policy on its devices: Gemma modules, tokenizer, mesh, precision, compilation cache."""
