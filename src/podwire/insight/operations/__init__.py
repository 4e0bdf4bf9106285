"""Operations on the nodes of a cluster through podwire's pods: rows, packets, logs."""
