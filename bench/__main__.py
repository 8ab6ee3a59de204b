"""Lets `python -m bench` and the command `bench` run the command line.

Imports nothing before it is asked to run, so that Ctrl-C is understood from the first moment.
"""

import sys


def main() -> None:
    """Run the command line; interrupted while it is being imported, say so and exit 130."""
    try:
        from bench.cli import main as run  # noqa: PLC0415 (an interrupt in here is to be caught)

        run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
