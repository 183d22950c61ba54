"""The command line: click commands that call `restem.harness.app`."""
