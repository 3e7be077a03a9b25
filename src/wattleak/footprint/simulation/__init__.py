"""A fleet of nodes, a stream of jobs and several ways to schedule them, simulated event by event (SimPy).

    jobs (trace | generator) --> policy --> place: queue + nodes --> joules, grams of CO2 equivalent, waiting times

Every number that leaves this package has the origin `simulated`: it follows from the scenario and says nothing about a
machine that nobody measured. All policies are fed the same jobs in one pass, so a trace is read once (standard input
will do) and differences are paired; what is kept in memory is the jobs that wait or run, never the trace.
"""
