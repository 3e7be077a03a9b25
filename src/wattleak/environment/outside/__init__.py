"""Looking at processes that run, from /proc: never at all of it, only at a tree that somebody asked about.

Sources: proc_pid_stat(5), proc_pid_status(5), proc_pid_task(5), proc_pid_maps(5), proc_pid_environ(5), cgroups(7), the
kernel's sched-stats page for /proc/PID/task/TID/schedstat (nanoseconds on a CPU, nanoseconds waiting for one, slices).
"""
