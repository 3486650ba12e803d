"""The documentation as a site: what `mkdocs build` does not do by itself. In no wheel."""
