"""A request that is really sent, and what each hop did with it: `podwire trace url`."""
