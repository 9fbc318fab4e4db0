"""The deterministic simulation: real nodes and the real hub in one process, one seed one history.

    python -m tests.sim --seeds 200        many histories; the last line is `N passed, M failed`
    python -m tests.sim --first 17 --trace one history again, with everything that happened in it
    python -m tests.sim --planted          faults put in on purpose, each of which must be seen

Only five things are played: clocks, the network, randomness, death at a failpoint, and who does what when. Databases,
engine, keys, contracts, bundles and the hub's web application are the product's own. `world` drives it, `workload`
and `books` are the people and what should come of their work, `checkers` says what must be true.
"""
