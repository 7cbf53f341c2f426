"""The methods that WebSocket clients call, by family."""
