"""Jobs in, artifacts out: a parent that owns the queue protocol and a child that owns the device and the models."""
