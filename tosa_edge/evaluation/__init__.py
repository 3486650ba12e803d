"""Depth against truth: metrics, labelled pictures, and which pictures are for evaluation alone."""
