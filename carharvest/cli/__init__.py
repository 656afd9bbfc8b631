"""The command line: parses, calls, renders. Anything heavy is imported inside the command that needs it."""
