"""What a run showed: signals of its folder, judged by the probes of the smells, joined with what a scan suspects."""
