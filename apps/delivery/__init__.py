"""Online half: viewer to params to pipeline to guard to caps to answer."""
