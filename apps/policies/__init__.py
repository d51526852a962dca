"""What can be tuned: knobs, their bounds, units and sentences."""
