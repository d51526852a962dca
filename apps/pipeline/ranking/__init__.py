"""One number per candidate: predictions, the reciprocity rule, weighted features, the price."""
