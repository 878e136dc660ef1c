"""The command line: parse, fill options, one engine call, render. Must hold no behaviour that an API would need too."""
