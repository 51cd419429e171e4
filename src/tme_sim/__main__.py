"""``python -m tme_sim`` is the command ``tme-sim``."""

from tme_sim.cli import main

if __name__ == "__main__":
    main()
