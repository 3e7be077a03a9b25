"""Where environment variables are set outside Python: scripts, images, containers, batch jobs and configuration.

A rule asks a `VariableFile` for its `assignments`: which variable gets which value, where in the text, for which
command, and how many CPUs the same file grants to it. What a file does not spell out is None, and stays None.
"""
