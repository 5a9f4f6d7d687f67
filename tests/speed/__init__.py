"""The benchmarks: `make speed` prints a table with a goal, a figure and a ratio on each line.

What is measured, and how

- **Mail in** (`mailin`): letters of 1.5 kB, 60 kB and 400 kB at 10 connections and at 1, over TLS with a client
  certificate, against Pli's MX door (and its submission door), a private Postfix that delivers to a private Dovecot by
  LMTP, and that LMTP alone. The same client (`load`) sends the same letters (`messages`) to each, in turn, and the
  table shows medians of the rounds. The client runs in its own process, and first against a `sink`, so that one can
  see that it is not what is measured.
- **Until the other side sees it** (`live`, `readers`): from the final dot, or from the sending of a live message, until
  the bytes that tell of it were read by a live socket, or by an IMAP session in IDLE (`clients`); one and a hundred in
  flight; Postfix to Dovecot's IDLE beside.
- **A thousand live sockets** (`readers`): the server's memory for each, and 100 messages a second among them.
- **Documents** (`documents`): letters of 400 kB with an IHE_XDM.ZIP (`packages`) taken a second, the share of it spent
  parsing, and every sample document read.
- **Mail out** (`drain`): how soon a queue of answers to one operator is empty, its server being a Postfix that wants
  our certificate; signed with DKIM and not.
- **The country** (`country`): the peak minute at once, on a schedule (`paced`), for two minutes; and the chat while
  five connections bring letters of 25 MB.
- **`post()`** (`posts`): durable posts a second in process at 200 callers, on SQLite and on PostgreSQL.

Pli is what a newcomer starts (`house`: `pli demo`, with a crowd of patients made by `cast`), the peers are Debian's
packages with fsync on (`peers`), all data on one disk. Figures belong to the machine that is printed above them
(`machine`); ratios travel better than absolute numbers. Client and server share the machine's cores in every
measurement, Pli's and the peers' alike.

Not measured here: durability (tests of faults do that), more than one node, a real network.
"""
