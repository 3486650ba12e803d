"""Whether depth is right: measured against ground truth, beside baselines that know nothing."""
