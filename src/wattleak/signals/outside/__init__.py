"""What the kernel says of running processes to anybody who asks: threads, CPUs, switches, memory, libraries, devices.

Nothing here needs anything inside the program. Read by `wattleak.environment.outside`, judged by the probes of smells.
"""
