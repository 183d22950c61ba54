"""Report, plan, comparison, explorer and terminal, made from tables, figures and sentences."""
