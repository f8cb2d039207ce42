"""`python -m hackproof`."""

from hackproof.cli import main

if __name__ == "__main__":
    main()
