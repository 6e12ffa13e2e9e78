"""Training: corpus -> a family's `train` -> archive. What is learnt is the family's business."""
