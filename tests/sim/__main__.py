"""`python -m tests.sim`."""

from tests.sim.command import main

if __name__ == "__main__":
    raise SystemExit(main())
