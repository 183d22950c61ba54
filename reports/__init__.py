"""From run.db to pages: estimates, what the law predicts, tables, figures, Markdown and HTML.

`restem.reports.pages.report` has the three entries: `write_report`, `summary` and `status`.
"""
