"""Workers and admissions as copy-on-write forks of one process that has everything imported.

That process is the *template*: `__main__` prepares it (`rehearsal`, `settling`), `template` is its
loop, `files` how its owner starts it and where they meet.

Workers: `launcher` is what the model server starts for each, `worker` what the fork becomes, `loop`
its life, `doorway` its socket, `calls` one call of the handler, `residents` the models it keeps,
`streams` where its output does not go, `links` how launcher and worker end together. Admissions:
`admissions` in the template, `admission` in the fork, under `limits`; `admission_client` in the
gateway. `failures` puts errors into words for both; `messages` are the model server's, which the
rehearsal sends.

The start-up protocol of a worker, in order:

1. The model server starts the launcher with a worker's arguments; the launcher makes a FIFO, its
   *lifeline*, and writes one line (its process id, the lifeline, the arguments) into the template's
   request FIFO. While there is no template, lines wait there for the next.
2. The launcher opens the lifeline for reading and waits for its end.
3. The template reads the line, forks, and leaves `NAME.forked` with the worker's process id. The
   child takes over the launcher's descriptors, working directory and environment from /proc, and
   opens the lifeline for writing.
4. The child listens on the socket the model server asked for and says so on stdout, as any worker.
   When the model server has connected it leaves `NAME.connected`.
5. The model server sends the load; the handler is called. The worker binds its door, where the
   environment names a folder for doors, and only then tells the model server that it has loaded.
   If the handler failed, the reason lies in `NAME.json` in the folder for load reports.
6. The gateway connects to the door, the worker unlinks the socket's file and says `Hello`.

From then on the kernel ties the processes: the worker's end closes the lifeline, so the launcher
ends and the model server sees its child gone; the launcher's end raises SIGKILL in the worker (see
`links`), and so does the model server's, whose pipe is the worker's standard input. A door that
closes ends the worker when it next looks. The template's end is no worker's end, but every
admission's.
"""
