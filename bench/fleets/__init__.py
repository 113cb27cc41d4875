# SPDX-License-Identifier: MIT
"""bench/fleet_run: what a fleet of agents costs one relay or several, with Redis, HAProxy and the
router in the loop. `main` says what is run; `phases` what is done and measured; `agents` is the
fleet and a visitor of some of its agents, `programs` everything else that runs, `redis` how the
registry is asked, and `rows` what comes out."""
