"""What wattleak knows to look for: one folder per smell, found by `registry`, listed nowhere else."""
