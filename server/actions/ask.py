"""What an action is asked, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.drafts import Actor, File, Later, MailFacts

if TYPE_CHECKING:
    from server.app import App
    from server.handles import ConversationHandle
    from server.posting import Doing
    from server.reading import OpenMessage


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody does `action` on a message they have. `values`: what they filled in, not yet checked."""

    app: App
    actor: Actor
    conversation: ConversationHandle
    opened: OpenMessage
    card: dict[str, Any] | None
    action: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The line the thread will show, and what changes with it. `text_en`: the line in English, when it says more than
    the action's name.

    `answers`: the invitation it answers, for the mail side. `private`: the line is the holder's alone. `files`,
    `uploads`: what goes with the line. `values`: what is recorded of the answer, when not what was filled in.
    """

    text: str
    effect: Callable[[Doing], None] | None = None
    answers: MailFacts | None = None
    later: tuple[Later, ...] = ()
    private: bool = False
    text_en: str = ""
    files: tuple[File, ...] = ()
    uploads: tuple[str, ...] = ()
    values: dict[str, Any] | None = None
