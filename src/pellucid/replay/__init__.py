"""Any past step of a run again: checkpoints, replay, an opened step and its proof."""
