"""Pages of headings, formulas, tables, curves; as text, HTML and JSON."""
