"""The tables of Pli, on one page of over 400 lines: what there is and what it means. Statements stand with their nouns.

- Times are milliseconds since 1970 UTC, in `BigInteger` columns named `…_at`.
- Ids are random 128 bits in text (see `storage.ids`), never reused.
- Columns marked `sealed` hold only what `storage.vault` made. What stands in clear is what routing needs and nothing
  else.
- Small rows with a composite key stand in their key's own tree on SQLite (`WITHOUT ROWID`): one tree less to write.
- A table about a person leads its primary key with `space_id` (`mailbox_id` for entries and threads): what a sharded
  PostgreSQL distributes by.
- Professionals, teams and bots are public in the national directory: their names and roles are not sealed. A patient's
  are.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, LargeBinary, MetaData, Table, Text

metadata = MetaData()


def _id(name: str, *, key: bool = False, optional: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=optional)


def _text(name: str, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _at(name: str, *, optional: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=optional)


def _number(name: str, default: str = "0") -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def _sealed(name: str, *, optional: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=optional, info={"sealed": True})


# The vault's own keys, wrapped by the master key: name 'lookup'.
vault_keys = Table("vault_keys", metadata, _id("name", key=True), Column("wrapped", LargeBinary, nullable=False))

# One row a person or office. kind: holder, office. `wrapped_key` empty: forgotten. state: open, opposed, closed.
spaces = Table(
    "spaces",
    metadata,
    _id("id", key=True),
    _text("kind"),
    _text("state", "open"),
    Column("ins_hash", Text, nullable=True, unique=True),
    Column("wrapped_key", LargeBinary, nullable=False),
    _sealed("traits", optional=True),  # {ins, oid, birth_name, given, used_name, birth_date, sex, birth_place}
    _at("opened_at"),
)

# Whoever can act. kind: holder, professional, team, bot, operator. A holder's name is in the traits of the space.
accounts = Table(
    "accounts",
    metadata,
    _id("id", key=True),
    _text("kind"),
    _text("name", ""),
    _text("role", ""),
    _text("organisation", ""),
    _text("organisation_id", ""),
    _text("profession", ""),
    _text("national_id", ""),
    Column("address", Text, nullable=True, unique=True),  # of those whose mailbox we host; never a patient's
    _text("password", ""),
    _text("space_id"),
    _text("mailbox_id"),
    _text("language", "fr"),
    _at("created_at"),
    _at("ended_at", optional=True),
)
Index("accounts_by_space", accounts.c.space_id)
Index(
    "accounts_by_national_id", accounts.c.national_id,
    sqlite_where=accounts.c.national_id != "", postgresql_where=accounts.c.national_id != "",
)  # fmt: skip

# A delegate acts in another's space, in their own name. kind: representative, helper.
delegations = Table(
    "delegations",
    metadata,
    _id("space_id", key=True),
    _id("account_id", key=True),
    _text("kind"),
    _at("from_at"),
    _at("until_at", optional=True),
    _at("revoked_at", optional=True),
    _text("granted_by"),
    _text("scopes", ""),  # messages, dossier, agenda, services, write, by spaces; empty: all of them
    sqlite_with_rowid=False,
)
Index("delegations_by_account", delegations.c.account_id)

# What signs an account in. kind: session, bearer, link, mail (a mail client, by what the password was). Only a hash of
# the secret is kept. `how`: what proved who it was (link, password+totp, passkey:<id>, psc …). `device_id`: the
# remembered device it was opened on. `strong_at`: the last time a second factor was given. `name`: the browser's.
credentials = Table(
    "credentials",
    metadata,
    _id("hash", key=True),
    _text("kind"),
    _text("account_id"),
    _at("created_at"),
    _at("seen_at"),
    _at("until_at"),
    _at("revoked_at", optional=True),
    _text("how", ""),
    _text("device_id", ""),
    _at("strong_at", optional=True),
    _sealed("name", optional=True),
    sqlite_with_rowid=False,
)
Index("credentials_by_account", credentials.c.account_id)

# How a holder comes in: an identifier of their own choice, known by its keyed hash, and a password.
logins = Table(
    "logins",
    metadata,
    _id("account_id", key=True),
    Column("identifier_hash", Text, nullable=False, unique=True),
    _text("password"),
    _at("changed_at"),
)

# What else proves who one is. kind: passkey, totp, recovery (a row a code). `lookup`: the hash it is found by: of a
# passkey's credential id, of a recovery code. `counter`: the last time step of an app (RFC 6238), the sign count of a
# passkey.
factors = Table(
    "factors",
    metadata,
    _id("account_id", key=True),
    _id("id", key=True),
    _text("kind"),
    _text("lookup", ""),
    _sealed("facts", optional=True),
    _number("counter"),
    _at("created_at"),
    _at("used_at", optional=True),
    _at("ended_at", optional=True),
)
Index(
    "factors_by_lookup", factors.c.lookup, unique=True,
    sqlite_where=factors.c.lookup != "", postgresql_where=factors.c.lookup != "",
)  # fmt: skip

# Where somebody is reached outside Pli. kind: email, phone.
contact_points = Table(
    "contact_points",
    metadata,
    _id("account_id", key=True),
    _id("id", key=True),
    _text("kind"),
    _sealed("value"),
    _at("created_at"),
    _at("verified_at", optional=True),
    _at("ended_at", optional=True),
)

# A proof under way, known by the hash of what the browser holds. `account_id` empty: nobody has that identifier, and
# nobody learns it. `code_hash`: of a code that was sent. `detail`: what the next step needs, with nothing personal in
# it.
proofs = Table(
    "proofs",
    metadata,
    _id("hash", key=True),
    _text("kind"),
    _text("account_id", ""),
    _text("code_hash", ""),
    _text("detail", ""),
    _number("tries"),
    _at("created_at"),
    _at("until_at"),
    _at("done_at", optional=True),
    sqlite_with_rowid=False,
)
Index("proofs_by_age", proofs.c.until_at)

# Browsers where the second factor was given and that the person chose to trust; `hash`: of the secret they hold.
devices = Table(
    "devices",
    metadata,
    _id("account_id", key=True),
    _id("id", key=True),
    Column("hash", Text, nullable=False, unique=True),
    _sealed("name"),
    _at("created_at"),
    _at("seen_at"),
    _at("until_at"),
    _at("ended_at", optional=True),
)

# Who somebody is for an identity provider (Pro Santé Connect, FranceConnect), and by their strict traits: see
# `storage.identities`.
identities = Table(
    "identities",
    metadata,
    _id("issuer", key=True),
    _id("subject_hash", key=True),
    _text("account_id"),
    _at("created_at"),
    _at("seen_at"),
)

# What failed, by the hash of its name (an account, a source, a code), shared by all processes; and, with no failure,
# where an account came in before.
brakes = Table(
    "brakes",
    metadata,
    _id("name_hash", key=True),
    _number("failures"),
    _at("since_at"),
    _at("until_at"),
    sqlite_with_rowid=False,
)
Index("brakes_by_age", brakes.c.until_at)

# A helper or representative who was asked to come, known by the hash of the code they were given.
invitations = Table(
    "invitations",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    Column("hash", Text, nullable=False, unique=True),
    _text("kind"),
    _text("scopes", ""),
    _sealed("facts"),  # {name}: who is expected
    _at("until_at", optional=True),  # of the delegation
    _text("invited_by"),
    _at("created_at"),
    _at("expires_at"),
    _text("taken_by", ""),
    _at("taken_at", optional=True),
    _at("revoked_at", optional=True),
)

# What happened to who acts in a space, one record a change. what: invited, withdrawn, accepted, refused, recorded,
# changed, resigned, ended, expired. `account_id` empty: of an invitation. `facts`: {name, scopes, until}, as it was.
delegation_changes = Table(
    "delegation_changes",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _at("at"),
    _text("kind"),
    _text("what"),
    _text("account_id", ""),
    _text("by"),
    _sealed("facts"),
)

# How one mailbox keeps a conversation. kind: archived, pinned, muted, label (then `label_id`). state: on, off. `seq`:
# the mailbox's number at that moment: what arrives after it brings an archived conversation back.
marks = Table(
    "marks",
    metadata,
    _id("mailbox_id", key=True),
    _id("conversation_id", key=True),
    _id("kind", key=True),
    _id("label_id", key=True),
    _text("state"),
    _text("by"),
    _at("at"),
    _number("seq"),
    sqlite_with_rowid=False,
)

labels = Table(
    "labels",
    metadata,
    _id("mailbox_id", key=True),
    _id("id", key=True),
    _sealed("name"),
    _text("by"),
    _at("created_at"),
    _at("ended_at", optional=True),
)

# What is being written, on every device. `conversation_id` empty: a new letter. `version`: who writes an older one is
# told. As a mail client sees it: `uid` (0 until one has looked at this version), `flags`, `modseq`, and `blob_id`: the
# mail as the client wrote it, empty when the last version was written on the web.
drafts = Table(
    "drafts",
    metadata,
    _id("mailbox_id", key=True),
    _id("id", key=True),
    _text("space_id"),  # whose key seals it
    _text("conversation_id", ""),
    _text("account_id"),
    _sealed("body"),
    _number("version"),
    _at("updated_at"),
    _at("ended_at", optional=True),
    _number("uid"),
    _number("flags"),
    _number("modseq"),
    _text("blob_id", ""),
)
Index("drafts_by_conversation", drafts.c.mailbox_id, drafts.c.conversation_id)

# A file that comes in pieces. `size`: as announced; `received`: octets kept.
uploads = Table(
    "uploads",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("account_id"),
    _sealed("facts"),
    _number("size"),
    _number("received"),
    _text("attachment_id", ""),  # once whole
    _at("created_at"),
    _at("until_at"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    _id("space_id", key=True),
    _id("upload_id", key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),  # of its first octet
    _number("size"),
    _text("blob_id"),
)

# A message that another one corrects: the newest counts, the older texts remain to be read.
corrections = Table(
    "corrections",
    metadata,
    _id("space_id", key=True),
    _id("message_id", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("correction_id", key=True),
    sqlite_with_rowid=False,
)

# What somebody wishes to be told outside Pli, how and when. `link_hash`: of the link in each notice that changes it.
notice_wishes = Table(
    "notice_wishes", metadata, _id("account_id", key=True), _sealed("wishes"), _text("link_hash", ""), _at("updated_at")
)
Index("notice_wishes_by_link", notice_wishes.c.link_hash)

# Browsers that asked for web push (RFC 8030).
subscriptions = Table(
    "subscriptions",
    metadata,
    _id("account_id", key=True),
    _id("id", key=True),
    Column("endpoint_hash", Text, nullable=False, unique=True),
    _text("device_id", ""),
    _sealed("facts"),
    _at("created_at"),
    _at("ended_at", optional=True),
)

# Who works in a team, from when until when.
team_members = Table(
    "team_members",
    metadata,
    _id("team_id", key=True),
    _id("account_id", key=True),
    _text("role", "member"),  # member, manager
    _text("added_by"),
    _at("since_at"),
    _at("left_at", optional=True),
    sqlite_with_rowid=False,
)
Index("team_members_by_account", team_members.c.account_id)

# Who of a team answers in a conversation; one record a change, the newest counts. kind: claimed, assigned, released,
# closed, reopened, handed (to another team: `account_id`).
assignments = Table(
    "assignments",
    metadata,
    _id("space_id", key=True),
    _id("conversation_id", key=True),
    _id("team_id", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("id", key=True),
    _text("kind"),
    _text("account_id", ""),
    _text("by"),
    _text("reason", ""),  # a word of `server.teams.REASONS`
    sqlite_with_rowid=False,
)
Index("assignments_by_team", assignments.c.team_id, assignments.c.conversation_id, assignments.c.at)

# Texts that a team or a professional writes often; `space_id`: of their office.
templates = Table(
    "templates",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _sealed("facts"),  # {title, text}
    _text("by"),
    _at("updated_at"),
    _at("ended_at", optional=True),
)

# When a professional or a team reads, as they say it: public. `week`: JSON, {"mon": [["09:00", "17:00"]], …}.
# `answers_hours`: how long they say an answer takes; 0: they do not say.
opening_hours = Table(
    "opening_hours",
    metadata,
    _id("account_id", key=True),
    _text("week", ""),
    _number("answers_hours"),
    _text("by"),
    _at("updated_at"),
)

# `last_seq` numbers both entries and changes. `validity` is IMAP's UIDVALIDITY (RFC 9051 §2.3.1.1). `mail_at`: when a
# mail client last opened it, to a day.
mailboxes = Table(
    "mailboxes",
    metadata,
    _id("id", key=True),
    _text("account_id"),
    _text("space_id"),
    _number("last_seq"),
    _number("validity", "1"),
    _number("mail_at"),
    sqlite_with_rowid=False,
)

conversations = Table(
    "conversations",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _sealed("subject"),
    _at("created_at"),
    _text("about", ""),  # the conversation it follows, when it was split from one
)

# Who takes part. kind: account, contact (a correspondent elsewhere). `mailbox_id` empty for a contact.
# `organisation` is what a letter's sender is matched on besides its references.
participants = Table(
    "participants",
    metadata,
    _id("space_id", key=True),
    _id("conversation_id", key=True),
    _id("member_id", key=True),
    _text("kind"),
    _text("mailbox_id", ""),
    _text("organisation", ""),
    _at("since_at"),
    _at("left_at", optional=True),
    sqlite_with_rowid=False,
)

# Correspondents elsewhere, as this space knows them: {name, address, organisation, role}.
contacts = Table(
    "contacts",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("address_hash"),
    _sealed("card"),
    _at("created_at"),
    Index("contacts_by_address", "space_id", "address_hash", unique=True),
)

# kind: text, card, answer, line, bounce. `raw_blob`: the mail as it came. `size`: its octets, 0 until known.
messages = Table(
    "messages",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("conversation_id"),
    _at("at"),
    _text("kind"),
    _text("author_kind"),
    _text("author_id"),
    _sealed("body"),
    _text("raw_blob", ""),
    _text("in_reply_to", ""),
    _number("size"),
    _number("files"),
)
Index("messages_by_conversation", messages.c.space_id, messages.c.conversation_id, messages.c.at)

# Message n in mailbox m. kind: message, change. A change repeats a message whose state moved; `of_seq` is its first
# number. flags: bits of `storage.entries`. `folder`: inbox, sent, or filed, gone (`storage.placements`). `modseq`: the
# last number at which the flags moved.
entries = Table(
    "entries",
    metadata,
    _id("mailbox_id", key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("space_id"),
    _text("conversation_id"),
    _text("message_id"),
    _number("of_seq"),
    _number("flags"),
    _text("folder", "inbox"),
    _number("modseq"),
    sqlite_with_rowid=False,
)
Index("entries_by_conversation", entries.c.mailbox_id, entries.c.conversation_id, entries.c.seq)
# Unique, which is true, and which SQLite must be told: otherwise it takes the primary key of a table without rowid for
# the cheaper road, and walks the whole mailbox for each look-up.
Index(
    "entries_by_message", entries.c.mailbox_id, entries.c.message_id, unique=True,
    sqlite_where=entries.c.kind == "message", postgresql_where=entries.c.kind == "message",
)  # fmt: skip

# Whose flags moved since a reader looked (RFC 7162). What only arrived is not in it: its number says when.
Index(
    "entries_by_modseq", entries.c.mailbox_id, entries.c.modseq,
    sqlite_where=(entries.c.kind == "message") & (entries.c.modseq > entries.c.seq),
    postgresql_where=(entries.c.kind == "message") & (entries.c.modseq > entries.c.seq),
)  # fmt: skip

# Where a mailbox keeps messages besides where they arrived: moved or copied to a folder, under a number of its own from
# the mailbox's one counter. `seq`: the entry; its flags are the message's, \Deleted (`deleted`) is the place's own.
placements = Table(
    "placements",
    metadata,
    _id("mailbox_id", key=True),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    _text("folder"),
    _number("seq"),
    _number("deleted"),
    _number("modseq"),
    sqlite_with_rowid=False,
)
Index("placements_by_folder", placements.c.mailbox_id, placements.c.folder, placements.c.uid)
Index("placements_by_entry", placements.c.mailbox_id, placements.c.seq)

# What left a folder: its number there, and the mailbox's number when it did (VANISHED, RFC 7162).
vanished = Table(
    "vanished",
    metadata,
    _id("mailbox_id", key=True),
    _id("folder", key=True),
    Column("modseq", BigInteger, primary_key=True, autoincrement=False),
    _number("uid"),
    sqlite_with_rowid=False,
)

# The keywords of a mailbox: which bit of `entries.flags` each is. `kind`: own (a client's), assigned (who of a team has
# the conversation: then `account_id`).
keywords = Table(
    "keywords",
    metadata,
    _id("mailbox_id", key=True),
    Column("bit", BigInteger, primary_key=True, autoincrement=False),
    _sealed("name"),
    _text("kind", "own"),
    _text("account_id", ""),
    sqlite_with_rowid=False,
)

# One conversation as one mailbox sees it. `holds`: bits of `storage.entries` (files, an appointment, a bot's words).
# `asks`: the number of the message that waits for an answer from here, or 0. `flagged`: how many of its messages are.
# `assigned`: the bits that messages which arrive here get (who of a team has it, that it is closed). `last_seq`: of the
# last message that is still here, 0 when none is. No list opens messages to know these.
threads = Table(
    "threads",
    metadata,
    _id("mailbox_id", key=True),
    _id("conversation_id", key=True),
    _text("space_id"),
    _number("last_seq"),
    _number("unread"),
    _number("holds"),
    _number("asks"),
    _number("flagged"),
    _number("assigned"),
    sqlite_with_rowid=False,
)
Index("threads_by_recency", threads.c.mailbox_id, threads.c.last_seq)

# Message-IDs of a space, hashed: what References are matched against (RFC 5322 §3.6.4).
refs = Table(
    "refs",
    metadata,
    _id("space_id", key=True),
    _id("reference_hash", key=True),
    _text("conversation_id"),
    _text("message_id"),
    sqlite_with_rowid=False,
)

# The same key gives the same receipt.
retry_keys = Table(
    "retry_keys",
    metadata,
    _id("space_id", key=True),
    _id("key", key=True),
    _text("conversation_id"),
    _text("message_id"),
    _at("at"),
    sqlite_with_rowid=False,
)
Index("retry_keys_by_age", retry_keys.c.at)

# What became of a message, for one reader: delivered, read, failed. A record with its date, not a flag.
receipts = Table(
    "receipts",
    metadata,
    _id("space_id", key=True),
    _id("message_id", key=True),
    _id("member_id", key=True),
    _id("state", key=True),
    _at("at"),
    sqlite_with_rowid=False,
)

# What was answered on a card, newest last.
answers = Table(
    "answers",
    metadata,
    _id("space_id", key=True),
    _id("message_id", key=True),
    _id("answer_id", key=True),
    _text("action"),
    _text("account_id"),
    _at("at"),
    _sealed("detail"),
    sqlite_with_rowid=False,
)

# A file of a message. `part`: its number inside the raw mail (`blob_id` is then that mail's). Uploads wait in their
# owner's own space with an empty `message_id`.
attachments = Table(
    "attachments",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("message_id", ""),
    _number("position"),
    _text("blob_id"),
    _text("part", ""),
    _sealed("facts"),
    _at("created_at"),
)
Index("attachments_by_message", attachments.c.space_id, attachments.c.message_id)
Index("attachments_by_id", attachments.c.id)

# Bytes. Small ones stand here, sealed; large ones in a sealed file (`content` null).
blobs = Table(
    "blobs",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _number("size"),
    _sealed("content", optional=True),
    _at("created_at"),
)

# A message as the mail it is read as over IMAP, when it did not come as one. `structure`: its sealed ENVELOPE and
# BODYSTRUCTURE.
renditions = Table(
    "renditions",
    metadata,
    _id("space_id", key=True),
    _id("message_id", key=True),
    _text("blob_id"),
    _number("size"),
    _sealed("structure"),
)

# Owed to the outside. channel: mail, reminder. state: due, done, failed.
deliveries = Table(
    "deliveries",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("message_id", ""),
    _text("channel"),
    _text("state", "due"),
    _at("due_at"),
    _at("lease_at"),
    _number("attempts"),
    _at("created_at"),
    _sealed("target"),
    _text("last_error", ""),
    _at("warned_at", optional=True),  # when whoever wrote was told that it is late
)
Index("deliveries_due", deliveries.c.state, deliveries.c.due_at)

# Who did what, for whom, on which ground. Never changed, never deleted before its time.
audit = Table(
    "audit",
    metadata,
    _id("space_id", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("id", key=True),
    _text("actor_id"),
    _text("actor_kind"),
    _text("act"),
    _text("ground"),
    _text("object", ""),
    _text("outcome"),
    _text("why", ""),  # the consent, the delegation or the emergency that gave the right
    Column("block", BigInteger, nullable=True),  # of `audit_blocks`; null until it is sealed into the chain
    sqlite_with_rowid=False,
)
Index("audit_unsealed", audit.c.at, sqlite_where=audit.c.block.is_(None), postgresql_where=audit.c.block.is_(None))
Index(
    "audit_by_block", audit.c.block,
    sqlite_where=audit.c.block.is_not(None), postgresql_where=audit.c.block.is_not(None),
)  # fmt: skip

# The chain over the audit. A block holds rows that are kept equally long; `digest`: over its rows; `chain`: over it and
# the block before it (keyed). It stays when its rows are purged.
audit_blocks = Table(
    "audit_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _number("months"),
    _at("from_at"),
    _at("until_at"),
    _number("count"),
    _text("digest"),
    _text("chain"),
    _at("at"),
    _at("anchored_at", optional=True),
    _at("purged_at", optional=True),
)

# The dossier. `unique_hash`: of the producer's uniqueId and the content: the same document is filed once. `id_hash`: of
# the uniqueId alone; `content_hash`, `set_hash` likewise. `author_id`: the account that answers for it,
# `organisation_id` its organisation. source: letter, api, patient, pli, import. state: current, replaced, deleted (by
# its author), removed (by the patient who added it; the octets are gone).
documents = Table(
    "documents",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("unique_hash"),
    _text("message_id", ""),
    _text("attachment_id", ""),
    _text("blob_id", ""),
    _text("category"),
    _sealed("facts"),
    _text("filed_by"),
    _at("filed_at"),
    _text("state", "current"),
    _text("replaced_by", ""),  # the message that replaced it, or the document that did
    _text("id_hash", ""),
    _text("content_hash", ""),
    _text("set_hash", ""),
    _number("version"),
    _text("author_id", ""),
    _text("organisation_id", ""),
    _text("source", "letter"),
    _text("original_blob", ""),  # the CDA it was made from, when `blob_id` is the PDF it carries
    _at("changed_at", optional=True),
    Index("documents_once", "space_id", "unique_hash", unique=True),
    Index("documents_by_id", "space_id", "id_hash"),
    Index("documents_by_content", "space_id", "content_hash"),
)

# What is found in documents, and what people said: one row a finding, its content sealed. kind: of
# `server.formats.findings`. `document_id` '' when somebody entered it. state: current, corrected (by the finding that
# names it in `corrects`), withdrawn. Nothing is overwritten.
findings = Table(
    "findings",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("kind"),
    _text("document_id", ""),
    _text("message_id", ""),
    _text("state", "current"),
    _text("corrects", ""),
    _text("source"),  # document, patient, delegate, professional, service
    _text("by"),
    _at("at"),
    _text("ended_by", ""),
    _at("ended_at", optional=True),
    _sealed("content"),
)
Index("findings_by_kind", findings.c.space_id, findings.c.kind)
Index("findings_by_document", findings.c.space_id, findings.c.document_id)

# What may be seen of an item (a document, a finding) by whom: one record a change, the newest counts. mark: hidden
# (MASQUE_PS), untold (INVISIBLE_PATIENT), secret (INVISIBLE_REPRESENTANTS_LEGAUX), archived. state: on, off.
visibilities = Table(
    "visibilities",
    metadata,
    _id("space_id", key=True),
    _id("item_id", key=True),
    _id("mark", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("id", key=True),
    _text("state"),
    _text("by"),
    sqlite_with_rowid=False,
)

# What the holder settled for the whole dossier: one record a change, the newest counts. name: of
# `server.dossier.choices`.
choices = Table(
    "choices",
    metadata,
    _id("space_id", key=True),
    _id("name", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("id", key=True),
    _text("state"),
    _text("by"),
    sqlite_with_rowid=False,
)

# Who may read a dossier, on which ground, until when. kind: treating, administrator, care_team, explicit, emergency,
# samu. `account_id`: a professional or a team. `facts`: {things, reason, place}.
consents = Table(
    "consents",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("account_id"),
    _text("kind"),
    _sealed("facts"),
    _at("from_at"),
    _at("until_at", optional=True),
    _text("by"),
    _text("message_id", ""),  # the card or the line it was given in
    _at("ended_at", optional=True),
    _text("ended_by", ""),
)
Index("consents_by_account", consents.c.account_id)

# Which patients' dossiers an account found or opened: what the brakes on volume count. kind: found, opened.
openings = Table(
    "openings",
    metadata,
    _id("account_id", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("space_id", key=True),
    _text("kind"),
    sqlite_with_rowid=False,
)

# What an operator has to look at. kind: emergency, unknown_person, volume. state: open, closed. `object`: the consent
# or the audit row it is about.
reviews = Table(
    "reviews",
    metadata,
    _id("id", key=True),
    _text("kind"),
    _text("space_id", ""),
    _text("account_id"),
    _text("object", ""),
    _text("state", "open"),
    _text("by"),
    _at("at"),
    _text("decided_by", ""),
    _text("decision", ""),
    _at("decided_at", optional=True),
)
Index("reviews_by_state", reviews.c.state, reviews.c.at)

# When somebody last looked at what: what is new since. area: documents, results, record.
visits = Table(
    "visits",
    metadata,
    _id("space_id", key=True),
    _id("account_id", key=True),
    _id("area", key=True),
    _at("at"),
    _at("before_at", optional=True),  # the visit before: a page loaded again still shows what was new
    sqlite_with_rowid=False,
)

# The patient's own folders; the folder « pinned » needs no row.
folders = Table(
    "folders",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _sealed("name"),
    _text("by"),
    _at("at"),
    _at("ended_at", optional=True),
)
folder_documents = Table(
    "folder_documents",
    metadata,
    _id("space_id", key=True),
    _id("folder_id", key=True),
    _id("document_id", key=True),
    _text("by"),
    _at("at"),
    sqlite_with_rowid=False,
)

# What happened to a space: one record a change. state: opposed, open, closed, suspended, deletion_asked,
# deletion_withdrawn, majority, died, destroyed. `facts`: {reason, …}.
space_changes = Table(
    "space_changes",
    metadata,
    _id("space_id", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("id", key=True),
    _text("state"),
    _text("by"),
    _sealed("facts", optional=True),
    sqlite_with_rowid=False,
)

# Exports that are made or fetched, imports that are read. kind: export, import. state: waiting, running, ready, failed,
# cancelled, fetched, expired.
exports = Table(
    "exports",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("kind"),
    _text("account_id"),
    _text("state", "waiting"),
    _number("done"),
    _number("total"),
    _text("blob_id", ""),
    _sealed("facts", optional=True),
    _at("at"),
    _at("ready_at", optional=True),
    _at("expires_at", optional=True),
)

# The agenda. `uid_hash`: of the iCalendar UID and its organiser. state: proposed, accepted, declined, asked, added,
# removed, cancelled; own, for what the patient noted alone.
appointments = Table(
    "appointments",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("uid_hash"),
    _number("sequence"),
    _text("state"),
    _text("message_id"),
    _sealed("facts"),
    _text("changed_by"),
    _at("changed_at"),
    _text("organiser_id", ""),  # the account that organises it, when it is one of ours
    _at("starts_at", optional=True),
    Index("appointments_once", "space_id", "uid_hash", unique=True),
)

# The appointments of patients that an office organises or follows: its days.
organised = Table(
    "organised",
    metadata,
    _id("mailbox_id", key=True),
    _id("space_id", key=True),
    _id("appointment_id", key=True),
    _at("starts_at"),
    _text("state"),
    _at("until_at", optional=True),  # of what repeats: its last date
    Index("organised_by_time", "mailbox_id", "starts_at"),
    Index("organised_by_end", "mailbox_id", "until_at"),
    Index("organised_by_day", "starts_at", "mailbox_id"),
    Index("organised_by_appointment", "space_id", "appointment_id"),
    sqlite_with_rowid=False,
)

# A private address where a calendar program reads an agenda. `facts`: what it is called, how much it says.
feeds = Table(
    "feeds",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("secret_hash"),
    _sealed("facts"),
    _text("created_by"),
    _at("created_at"),
    _at("used_at", optional=True),
    _at("ended_at", optional=True),
    _text("ended_by", ""),
    Index("feeds_by_secret", "secret_hash", unique=True),
)

# What an office prepared once: a sequence of messages around an appointment, or a questionnaire; one row a version.
# kind: sequence, questionnaire. state: current, replaced, withdrawn. `space_id`: of the office.
blueprints = Table(
    "blueprints",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("state", "current"),
    _sealed("facts"),
    _text("changed_by"),
    _at("changed_at"),
)

# A sequence bound to an appointment of a patient. `mailbox_id`: of the office that runs it. state: running, ended,
# cancelled. `facts`: what was prepared, as it was that day. `plan`: grows each time the appointment moves.
journeys = Table(
    "journeys",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("appointment_id"),
    _text("mailbox_id"),
    _text("conversation_id", ""),
    _text("state", "running"),
    _number("plan"),
    _sealed("facts"),
    _text("started_by"),
    _at("started_at"),
    _at("changed_at"),
    Index("journeys_by_appointment", "space_id", "appointment_id"),
)

# Each step of a sequence. state: planned, sent, passed (its time was over before it could be sent), cancelled.
# `number`: its place. `silent_at`: when silence on it is looked at; `told`: how far (push, sms, call), "" for not yet.
journey_steps = Table(
    "journey_steps",
    metadata,
    _id("space_id", key=True),
    _id("journey_id", key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _text("kind"),  # instructions, questionnaire, checklist, confirmation, message
    _text("state", "planned"),
    _at("due_at"),
    _at("silent_at", optional=True),
    _text("told", ""),
    _text("message_id", ""),
    _at("changed_at"),
)

# Patients an office has to call, since they stayed silent; settled by somebody, with what came of it.
calls = Table(
    "calls",
    metadata,
    _id("mailbox_id", key=True),
    _id("id", key=True),
    _text("space_id"),
    _text("journey_id"),
    _number("number"),
    _at("at"),
    _at("settled_at", optional=True),
    _text("settled_by", ""),
    _text("outcome", ""),  # reached, absent, wrong_number, settled
    Index("calls_by_journey", "mailbox_id", "journey_id", "number"),
)

# What somebody filled in of a form or ticked of a checklist, by the message that asked. state: begun, completed,
# corrected. `facts`: the answers; `version` grows with each writing, and the writer says which one they had read.
fillings = Table(
    "fillings",
    metadata,
    _id("space_id", key=True),
    _id("message_id", key=True),
    _number("version"),
    _text("state", "begun"),
    _sealed("facts"),
    _text("changed_by"),
    _at("changed_at"),
    _at("completed_at", optional=True),
)

# What prevention should know of a person and no document says: a pregnancy, a long illness, where they live. One record
# a change, the newest of its kind counts. `kind_hash`: of the kind in this space.
situations = Table(
    "situations",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("kind_hash"),
    _text("state"),  # so, not_so, withdrawn
    _sealed("facts"),
    _text("by"),
    _at("at"),
    Index("situations_by_kind", "space_id", "kind_hash", "at"),
)

# When each household is looked at again for what is due; by its first member's space.
rounds = Table(
    "rounds",
    metadata,
    _id("space_id", key=True),
    _at("due_at"),
    _at("looked_at", optional=True),
    Index("rounds_by_time", "due_at"),
    sqlite_with_rowid=False,
)

# Notices to a part of the population. `facts`: JSON, nothing about anybody: name, words, rule, dates, pace.
campaigns = Table(
    "campaigns",
    metadata,
    _id("id", key=True),
    _text("state", "draft"),  # draft, gathering, running, paused, ended, stopped
    _text("facts"),
    _number("version", "1"),
    _text("changed_by"),
    _at("changed_at"),
    _text("runner", ""),  # the process that writes it, until when: one at a time keeps its pace
    _number("runner_until"),
)

# Each change of a campaign, with who made it.
campaign_changes = Table(
    "campaign_changes",
    metadata,
    _id("campaign_id", key=True),
    _id("id", key=True),
    _text("state"),
    _text("facts"),
    _text("by"),
    _at("at"),
)

# Whom a campaign is for. state: waiting, sent, spared (why: closed, stopped, not_due: nothing that says more of them).
campaign_spaces = Table(
    "campaign_spaces",
    metadata,
    _id("space_id", key=True),
    _id("campaign_id", key=True),
    _text("state", "waiting"),
    _text("why", ""),
    _text("message_id", ""),
    _at("at"),
    Index("campaign_spaces_by_state", "campaign_id", "state", "space_id"),
    sqlite_with_rowid=False,
)

# A service asks a person to go on in a conversation; one record a change. state: asked, taken, returned.
handovers = Table(
    "handovers",
    metadata,
    _id("space_id", key=True),
    _id("conversation_id", key=True),
    _id("id", key=True),
    _text("bot_id"),
    _text("to_id", ""),  # the team or professional asked
    _text("state"),
    _text("by"),
    _at("at"),
)

# What is known of a rule for a person: sent, done, later, not_concerned; one record a change.
reminders = Table(
    "reminders",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("rule_hash"),
    _text("state"),
    _sealed("facts"),
    _text("by"),
    _at("at"),
)
Index("reminders_by_rule", reminders.c.space_id, reminders.c.rule_hash, reminders.c.at)

# What a service of the catalogue may do here, until when.
grants = Table(
    "grants",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("service_account"),
    _sealed("facts"),
    _text("granted_by"),
    _at("granted_at"),
    _at("until_at"),
    _at("withdrawn_at", optional=True),
    _text("withdrawn_by", ""),
)
Index("grants_by_service", grants.c.service_account)

# The operators whose mail we take (MSSanté's white list). `subject`: the certificate's, RFC 4514; `fingerprint`:
# SHA-256. Added by hand; those of the published list stand apart.
trusted_operators = Table(
    "trusted_operators",
    metadata,
    _id("domain", key=True),
    _id("fingerprint", key=True),
    _text("subject"),
    _text("certificate"),
    _at("added_at"),
)

# The published lists as they were last good. `digest`: SHA-256 of the file, hexadecimal.
white_lists = Table(
    "white_lists",
    metadata,
    _id("name", key=True),
    _text("digest"),
    _text("generated", ""),  # DateDeGeneration, as it stands in the file
    _at("taken_at"),
    _number("entries"),
)

# Their entries: a domain may have several certificates, known by their subject (DNCertificatOperateur).
listed_operators = Table(
    "listed_operators", metadata, _id("list_name", key=True), _id("domain", key=True), _id("subject", key=True)
)

# What stands between a space and somebody who writes to it: one record a change, the newest counts. kind: replies
# (open, ended: X-MSS-MES), block (blocked, free: the holder's wish). `member_id`: an account or a contact.
exchanges = Table(
    "exchanges",
    metadata,
    _id("space_id", key=True),
    _id("member_id", key=True),
    _id("kind", key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _id("id", key=True),
    _text("state"),
    _text("by"),
    _text("message_id", ""),
    sqlite_with_rowid=False,
)

# Mail that was accepted and that nobody sees yet. state: waiting (tried again by itself), held (a person decides),
# released, dropped. `reason`: a stable word. `facts`: the envelope and why, sealed. `blob_id`: the mail as it came.
quarantine = Table(
    "quarantine",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("state"),
    _text("reason"),
    _number("attempts"),
    _number("size"),
    _text("blob_id"),
    _sealed("facts"),
    _at("at"),
    _text("changed_by", ""),
    _at("changed_at", optional=True),
)
Index("quarantine_by_state", quarantine.c.state, quarantine.c.at)

# When a professional or a team is away, and what is said meanwhile; `space_id`: of their office.
absences = Table(
    "absences",
    metadata,
    _id("space_id", key=True),
    _id("id", key=True),
    _text("account_id"),
    _at("from_at"),
    _at("until_at"),
    _sealed("text"),
    _at("created_at"),
    _at("ended_at", optional=True),
)
Index("absences_by_account", absences.c.account_id)

# The documents that letters enclosed, and what their authors did to them since. Hashes: of uniqueId, of the file, of
# setId, of the uniqueId it replaces, of the author, of the organisation. state: current, same (as one that was here
# before), replaced, deleted.
enclosed_documents = Table(
    "enclosed_documents",
    metadata,
    _id("space_id", key=True),
    _id("attachment_id", key=True),
    _text("message_id"),
    _text("unique_hash"),
    _text("content_hash", ""),
    _text("set_hash", ""),
    _number("version"),
    _text("replaces_hash", ""),
    _text("author_hash", ""),
    _text("organisation_hash", ""),
    _text("state", "current"),
    _text("changed_by", ""),  # the message that replaced or withdrew it, or had it before
    _at("changed_at", optional=True),
)
Index("enclosed_by_unique", enclosed_documents.c.space_id, enclosed_documents.c.unique_hash)
Index("enclosed_by_set", enclosed_documents.c.space_id, enclosed_documents.c.set_hash)

# A blob is named by rows of its own space; a space cannot go while rows name it.
for table in (
    conversations, messages, contacts, documents, appointments, grants, quarantine, absences, invitations, uploads,
    corrections, templates, delegation_changes, findings, visibilities, choices, consents, folders, folder_documents,
    space_changes, exports, feeds, blueprints, journeys, fillings, situations,
):  # fmt: skip
    table.append_constraint(ForeignKeyConstraint(["space_id"], ["spaces.id"]))
