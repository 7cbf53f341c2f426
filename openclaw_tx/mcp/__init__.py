"""Tools of other programs, by the Model Context Protocol: this gateway is the client. See docs/mcp.md."""
