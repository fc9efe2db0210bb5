"""`python -m sslzoo`, where no `sslzoo` is on the path."""

from sslzoo import cli

cli.main()
