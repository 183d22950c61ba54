"""`python -m restem.harness.cli`: the command `restem`."""

from restem.harness.cli.main import main

if __name__ == "__main__":
    main()
