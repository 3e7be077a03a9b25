"""Reading code that is not trusted: it is parsed, never imported and never executed."""
