"""Zeus: one monitor, each window a window of it. `approx_instant_energy` is its own remedy for short GPU windows."""

import windows
from zeus.monitor import ZeusMonitor


def main():
    monitor = ZeusMonitor(gpu_indices=[0], approx_instant_energy=True)

    def end():
        found = monitor.end_window("window", sync_execution=False)
        figures = {"gpu_j": found.gpu_energy[0]}
        if found.cpu_energy:
            figures["cpu_j"] = found.cpu_energy[0]
        return figures

    windows.run(lambda: monitor.begin_window("window", sync_execution=False), end)


if __name__ == "__main__":  # it spawns processes that import this file
    main()
