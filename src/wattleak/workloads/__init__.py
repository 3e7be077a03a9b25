"""What the studies train on and train with."""
