"""The verbs of the `sslzoo` command, a file each; see `cli`."""
