"""dask as a peer."""
