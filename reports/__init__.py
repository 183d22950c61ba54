"""From run.db to pages: estimates, what the law predicts, tables, figures, Markdown and HTML.

`restem.reports.pages.report` writes the report; `restem.reports.pages.terminal` gives a run's summary and its screen.
"""
