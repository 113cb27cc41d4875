# SPDX-License-Identifier: MIT
"""taupe's benchmark, run by scripts/bench. Every system is measured between two runs of the same
reference, so that the ratios hold on a machine that is busy with other things too.

    machine     the private network, CPU time, memory, what others take of the machine
    programs    processes with logs, and waiting for them
    services    what stands behind every tunnel: nginx, iperf3, one that answers in two pieces
    setups      what a measured system is; floors, ours and peers say how each is started
    loads       wrk, iperf3 and our latency probe, and how their output is read
    measures    which metrics there are and what load gives them
    rounds      interleaving, noise
    results     medians, ratios, the JSON file; tables print them
"""
