"""Everything that reads what strangers write, and every machine that strangers push around, with made-up input.

Short and the same every time under C{make test}, long and different under C{make fuzz} (docs/development.md).
"""
