"""KRA (eTIMS and GavaConnect). docs/reference/kra.md is its page."""
