"""The post office: who may do what, the one path of a message, and what follows from it.

The doors (`webchat`, `mail_gateway`, `server.api`) turn what they receive into a `Draft` and call `post()`; they read
with `server.reading`. They know this package; it does not know them. The story of a message is told in
`server.posting`.
"""
