"""Which way to save arithmetic suits a model and its pictures: tried without training, without labels."""
