"""Logs for operators: one JSON object a line on stderr. No name, no address, no INS, no subject, ever.

Libraries that write what people send (aiosmtpd logs every recipient at INFO) are held to warnings, and those without
text.
"""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(level: int = logging.INFO) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for name in (
        "mail.log",
        "mail.debug",
        "aiosmtpd",
        "aiosqlite",
        "sqlalchemy",
        "alembic",
        "socketio",
        "engineio",
        "aiohttp.access",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mail.log").disabled = True
