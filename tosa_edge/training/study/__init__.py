"""What skipping tokens costs in accuracy, beside peers at equal arithmetic, on frames with ground truth."""
