"""Whether an engine is right: compared with the float32 graph of its model, layer by layer where it fails."""
