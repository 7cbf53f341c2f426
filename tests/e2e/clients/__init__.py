"""The client matrix: SDKs and frameworks that people use, each against a real gateway. C{make clients} runs it."""
