"""Forms of accounts."""

from zoneinfo import available_timezones

from wtforms import EmailField, PasswordField, RadioField, SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import EqualTo, InputRequired, Length

from app.features.accounts.passwords import LONGEST, SHORTEST
from app.web.forms import Form

_REGIONS = ("America/", "Europe/", "Australia/", "Asia/", "Pacific/", "Africa/", "Atlantic/", "Indian/")
_NEEDED = "This needs an answer."
_PASSWORD_HELP = f"At least {SHORTEST} characters; a short sentence is easy to remember."


def _zones() -> list[SelectChoice]:
    names = sorted(name for name in available_timezones() if name.startswith(_REGIONS))
    ordered = sorted(names, key=lambda name: _REGIONS.index(name.partition("/")[0] + "/"))
    return [SelectChoice(name, name.replace("_", " ")) for name in [*ordered, "UTC"]]


class SignInForm(Form):
    """Who signs in."""

    email = EmailField("E-mail", [InputRequired("Enter your e-mail address."), Length(max=254)])
    password = PasswordField("Password", [InputRequired("Enter your password."), Length(max=LONGEST)])


class SetupForm(Form):
    """The first workspace and its owner."""

    workspace = StringField(
        "Workspace",
        [InputRequired(_NEEDED), Length(max=120)],
        description="The name of your company or team.",
    )
    timezone = SelectField("Time zone", choices=_zones(), default="America/New_York")
    name = StringField("Your name", [InputRequired(_NEEDED), Length(max=120)])
    email = EmailField(
        "Your e-mail", [InputRequired(_NEEDED), Length(max=254)], description="You sign in with it."
    )
    password = PasswordField(
        "Password", [InputRequired(_NEEDED), Length(max=LONGEST)], description=_PASSWORD_HELP
    )


class PasswordForm(Form):
    """A new password; the old one proves who asks."""

    current = PasswordField("Present password", [InputRequired(_NEEDED), Length(max=LONGEST)])
    password = PasswordField(
        "New password", [InputRequired(_NEEDED), Length(max=LONGEST)], description=_PASSWORD_HELP
    )
    again = PasswordField(
        "New password again", [InputRequired(_NEEDED), EqualTo("password", "This is not the same.")]
    )


class ThemeForm(Form):
    """How pages look to one person."""

    theme = RadioField(
        "Theme",
        choices=[
            SelectChoice("light", "Light"),
            SelectChoice("dark", "Dark"),
            SelectChoice("", "Like my system"),
        ],
        default="",
    )
