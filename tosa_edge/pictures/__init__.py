"""Pictures read whole, fitted to a model, and depth in colours: what others need of a picture."""
