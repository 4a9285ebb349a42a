"""What a trained network says: what comes next, and which inputs pushed an output."""
