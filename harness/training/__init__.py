"""Examples to parameters: packing, loss, what is trainable, the M-step."""
