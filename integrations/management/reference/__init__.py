"""The generated pages of the documentation: what the code declares, as Markdown."""
