"""An emulator of KRA: an independent judge that shares no code with the client."""
