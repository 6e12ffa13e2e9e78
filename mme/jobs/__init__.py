"""Work that outlives the request that asked for it: asynchronous inference, batch transform."""
