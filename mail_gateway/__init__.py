"""The mail door: letters come in by SMTP, answers go out by SMTP, professionals read by IMAP.

The pure half turns bytes into things and back, does no I/O, and raises `Malformed` only:

| file | holds |
|---|---|
| `mime`, `structure`, `headers`, `prose` | a raw mail as a `Letter`: offsets, fields, charsets, HTML to text |
| `parts`, `cms` | an attachment, and why it cannot be read; what stands within a signed envelope |
| `compose` | an `OutLetter`, or a notice that a letter failed, as the bytes of a mail |
| `addresses` | whose mailbox an address names |
| `calendar`, `contentlines`, `timezones` | appointments by mail (iMIP) |
| `whitelist`, `subjects` | the published list of operators, and the names of certificates compared |

The rest speaks SMTP and IMAP and hands what it read to `server.posting.post()`, like every door:

| file | holds |
|---|---|
| `smtp`, `smtp_connection`, `smtp_session`, `smtp_data`, `smtp_syntax` | our SMTP server; nothing about patients |
| `smtp_shares`, `smtp_turns` | how much of a door each may hold, and in which order large letters are read |
| `brakes` | what slows whoever asks after too many strangers |
| `inbound`, `acceptance` | the two doors where mail comes in: who may speak, for whom; what a whole letter must be |
| `clamd` | whether a letter carries a virus |
| `letterbox`, `discretion`, `placing`, `cleaning`, `appointments` | what a letter becomes in each patient's space |
| `enclosures`, `identity`, `lineage` | its documents: read apart, about the patient, in their chain |
| `quarantine`, `returned`, `verdict` | mail that is held, what its sender is told, what becomes of it |
| `reports`, `dsn`, `receipts`, `notices` | what others say of our mail, and what ours say of theirs |
| `trust`, `whitelist`, `revocation`, `trust_lists`, `fetch` | the operators we exchange mail with, and what proves it |
| `outbound`, `peers`, `handover`, `dkim`, `cards` | how a message leaves for somebody elsewhere |
| `rendition`, `describe` | a message of ours as one mail that never changes |
| `imap/` | the professional's mailbox |
"""
