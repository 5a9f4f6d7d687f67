"""Dovecot as the judge of our IMAP door: the same mailbox in both, the same session to both, the answers compared.

    mails, hostile   what the mailbox holds           reader   an IMAP answer as words, lists and strings
    script           what a client says               talk     one connection, and what it has seen
    normal           what may differ without meaning  same     two answers, and where they differ
    differences      what remains different, and the clause that allows it

`crowd` is the stress: many clients of one mailbox, each with a model that its answers must agree with.
"""
