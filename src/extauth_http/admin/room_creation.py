"""Creates a room with exactly the requested options, or not at all.

ejabberd also creates a room if it does not know an option or changes its value. So the new room is
read and compared, and destroyed if it differs.
"""

from collections.abc import Iterable, Mapping

from extauth_http.admin.rooms import (
    Room,
    RoomMismatchError,
    RoomNotFoundError,
    destroy,
    is_about_service,
    read_room,
    service_not_found,
    set_option,
)
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.masking import mask_arguments
from extauth_http.protocol.jid import Jid

BOOLEAN_OPTIONS = frozenset(
    {
        *("allow_change_subj", "allow_private_messages", "allow_query_users", "allow_subscription"),
        *("allow_user_invites", "allow_visitor_nickchange", "allow_visitor_status"),
        *("allow_voice_requests", "anonymous", "captcha_protected", "enable_hats", "logging"),
        *("mam", "members_by_default", "members_only", "moderated", "password_protected"),
        *("persistent", "public", "public_list"),
    }
)
"""Options for which ejabberd 23.01 and 24.12 accept any word. A room with another word than true
or false crashes when the first occupant joins."""


def create(api: ApiClient, room: Jid, host: str, options: Mapping[str, str]) -> Room | None:
    """Creates a room on a virtual host and returns its state; None in a dry run.

    Raises RoomMismatchError if the room cannot have these options, RoomNotFoundError if the
    service does not exist, and ApiError.
    """
    _require_booleans(room, options)
    _send_creation(api, room, host, options)
    if api.is_dry_run:
        return None
    try:
        created = read_room(api, room)
        _require_options(api, created, options)
    except RoomMismatchError as mismatch:
        try:
            destroy(api, room)
        except ApiError as error:
            raise RoomMismatchError(
                f"{mismatch}; the new room could not be destroyed again ({error})"
            ) from None
        raise
    except (ApiError, RoomNotFoundError) as error:
        raise RoomMismatchError(
            f"{room} was created, but it is unknown whether it has the requested options ({error})"
        ) from None
    return created


def _require_booleans(room: Jid, options: Mapping[str, str]) -> None:
    wrong = [
        name for name in BOOLEAN_OPTIONS & options.keys() if options[name] not in ("true", "false")
    ]
    if wrong:
        raise RoomMismatchError(
            f"{room} was not created: {', '.join(sorted(wrong))}: expected true or false"
        )


def _send_creation(api: ApiClient, room: Jid, host: str, options: Mapping[str, str]) -> None:
    try:
        api.change(
            "create_room_with_opts",
            room=room.user,
            service=room.host,
            host=host,
            options=[{"name": name, "value": value} for name, value in options.items()],
        )
    except ApiError as error:
        if not error.is_refused or error.status not in (400, 500):
            raise
        if is_about_service(error):
            raise service_not_found(room.host) from None
        if error.status == 500 and options:
            raise _options_refused(room, options) from None
        raise


def _require_options(api: ApiClient, created: Room, options: Mapping[str, str]) -> None:
    """Raises RoomMismatchError if a room does not have these options, and ApiError.

    If the server does not return the options, each one is set again: ejabberd refuses an option
    that it does not know.
    """
    if created.options is None:
        for name, value in options.items():
            try:
                set_option(api, created.jid, name, value)
            except ApiError as error:
                if not error.is_refused:
                    raise
                raise _options_refused(created.jid, [name]) from None
        return
    wrong = [name for name, value in options.items() if created.options.get(name) != value]
    unknown = [name for name in wrong if name not in created.options]
    if unknown:
        raise RoomMismatchError(
            f"{created.jid} was not created: this ejabberd does not know {', '.join(unknown)}; it "
            f"knows {', '.join(created.options)}"
        )
    if wrong:
        shown = mask_arguments(created.options)
        raise RoomMismatchError(
            f"{created.jid} was not created: ejabberd would use "
            f"{', '.join(f'{name}={shown[name]}' for name in wrong)}"
        )


def _options_refused(room: Jid, options: Iterable[str]) -> RoomMismatchError:
    return RoomMismatchError(
        f"{room} was not created: ejabberd does not know one of these options or its value: "
        f"{', '.join(options)}"
    )
