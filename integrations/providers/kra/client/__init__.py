"""The conversation with KRA: eTIMS by its three transports, and GavaConnect."""
