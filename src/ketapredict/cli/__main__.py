"""`python -m ketapredict.cli`."""

from ketapredict.cli.app import main

main()
