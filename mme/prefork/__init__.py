"""Workers as copy-on-write forks of one process that has everything imported.

`launcher.py` is what the model server starts for each model, `server.py` the process that is
forked, `worker.py` what the fork becomes, `links.py` how launcher and worker end together.

The start-up protocol, in order:

1. The model server starts the launcher with a worker's arguments; the launcher makes a FIFO, its
   *lifeline*, and writes one line (its process id, the lifeline, the arguments) into the prefork
   server's request FIFO. While there is no prefork server this blocks: loads wait for the next.
2. The launcher opens the lifeline for reading and waits for its end.
3. The prefork server reads the line and forks. The child takes over the launcher's descriptors,
   working directory and environment from /proc, and opens the lifeline for writing.
4. The child listens on the socket the model server asked for and says so on stdout, as any worker.

From then on the kernel ties the two: the worker's end closes the lifeline, so the launcher ends and
the model server sees its child gone; the launcher's end raises SIGKILL in the worker (see
`links.py`), and so does the model server's, whose pipe is the worker's standard input.
"""
