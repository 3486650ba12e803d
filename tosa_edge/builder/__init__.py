"""MODEL to an engine for one machine: converted, calibrated, validated and saved."""
