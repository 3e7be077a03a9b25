"""From paths to findings: walking files, running the smells, honouring what the user allows."""
