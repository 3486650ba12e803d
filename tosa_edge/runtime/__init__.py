"""From pictures to pictures of depth: sources, geometry, colours, the pipeline and sinks."""
