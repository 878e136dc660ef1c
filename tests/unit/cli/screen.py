"""A terminal of a few lines: understands what teul.cli.progress.tty writes, and nothing else."""

from teul.cli.width import character_width


class Screen:
    def __init__(self, columns=40):
        self.columns = columns
        self.lines = [""]
        self.row = 0

    def isatty(self):
        return True

    def flush(self):
        pass

    def write(self, text):
        position = 0
        while position < len(text):
            character = text[position]
            position += 1
            if character == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
                else:
                    self.lines[self.row] = self.lines[self.row]
            elif character == "\x1b":
                end = position + 1
                while not text[end].isalpha():
                    end += 1
                number, verb = text[position + 1 : end], text[end]
                position = end + 1
                if verb == "F":
                    self.row = max(0, self.row - int(number))
                elif verb == "J":
                    del self.lines[self.row + 1 :]
                    self.lines[self.row] = ""
                else:
                    assert verb == "m", verb
            else:
                line = self.lines[self.row] + character
                assert sum(map(character_width, line)) <= self.columns, f"line wraps: {line!r}"
                self.lines[self.row] = line

    def shown(self):
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")
