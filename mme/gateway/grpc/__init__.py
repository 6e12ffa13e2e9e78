"""The open inference protocol by gRPC: another way in to what `mme.gateway.open_inference` answers.

Each call becomes a request of the protocol's other form and goes through an exchange of its own:
the same routes, gate, limits, budget of bodies, errors, counts and lines in the log. `calls` says
which request a call is, `tensors` what becomes of tensors, `request` makes the exchange take it,
`statuses` turns its answer's status around, `service` answers calls, `server` listens. What they
import is the extra mme[grpc]; so nothing imports them but where MME_GRPC_PORT is set.
"""
