"""Text to exact values: characters, grammar, trees, equality, exact algebra. Depends on no response and no verdict."""
