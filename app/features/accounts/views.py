"""Sign-in, sign-out, set-up of the first owner, and one's own settings."""

from typing import cast

from flask import Blueprint, Flask, Response, flash, make_response, request, url_for
from flask.blueprints import BlueprintSetupState

from app.core.db import db, reading, transaction
from app.core.errors import FieldError, Gone, Invalid
from app.features.accounts import guards, passwords, queries, rules, service, throttle
from app.features.accounts.enums import LinkKind, Permission
from app.features.accounts.forms import PasswordForm, SetupForm, SignInForm, ThemeForm
from app.features.accounts.guards import public, requires, who
from app.features.accounts.models import User
from app.web import csrf, htmx, security
from app.web.htmx import page
from app.web.limits import limiter
from app.web.visitor import visitor

blueprint = Blueprint("accounts", __name__)
WRONG = "E-mail or password is not right."
COOKIE_S = int(rules.ABSOLUTE.total_seconds())


@blueprint.record_once
def _prepare(state: BlueprintSetupState) -> None:
    guards.init_app(cast(Flask, state.app))
    service.configure(demo_allowed=not state.app.config["SETTINGS"].is_production)


@blueprint.get("/sign-in")
@public
def sign_in() -> Response:
    """Show the sign-in page; somebody who is in already is sent on."""
    if visitor() is not None:
        return htmx.redirect(rules.safe_next(request.args.get("next")))
    return _sign_in_page(SignInForm(formdata=None))


@blueprint.post("/sign-in")
@public
@limiter.limit("60/minute")
def open_session() -> Response:
    """Open a session for the right password; a wrong one costs time."""
    form = SignInForm()
    if not form.validate():
        return _sign_in_page(form, status=422)
    email, password = form.text("email").strip(), form.text("password")
    tried = throttle.keys(email, request.remote_addr or "")
    try:
        with transaction(db.engine) as counting:
            throttle.begin(counting, tried)
    except throttle.TooManyTries as error:
        return _wait(form, error)
    with reading() as session:
        user = service.authenticate(session, email=email, password=password)
    if user is None:
        _note_failure(email)
        form.form_errors.append(WRONG)
        return _sign_in_page(form, status=422)
    return _enter(user, password, tried)


@blueprint.post("/sign-out")
@requires(Permission.SEE)
def sign_out() -> Response:
    """End this session; ``everywhere`` ends all of the person's."""
    if request.form.get("everywhere"):
        service.end_sessions(db.session(), who().user_id)
    else:
        service.sign_out(db.session(), request.cookies.get(security.session_cookie(), ""))
    db.session.commit()
    response = htmx.redirect(url_for("accounts.sign_in"))
    security.drop_cookie(response, security.SESSION_COOKIE)
    return response


@blueprint.get("/setup/<token>")
@public
def setup(token: str) -> Response:
    """Ask for the first workspace and its owner."""
    _usable(token)
    return page("accounts/setup.html", form=SetupForm(formdata=None), token=token)


@blueprint.post("/setup/<token>")
@public
@limiter.limit("20/minute")
def set_up(token: str) -> Response:
    """Make the first workspace and its owner, who is signed in at once."""
    _usable(token)
    form = SetupForm()
    if not form.validate():
        return page("accounts/setup.html", form=form, token=token, status=422)
    try:
        service.checked_person(
            email=form.text("email"), name=form.text("name"), password=form.text("password")
        )
        user = service.set_up(
            db.session(),
            token,
            workspace=form.text("workspace"),
            timezone=form.text("timezone"),
            name=form.text("name"),
            email=form.text("email"),
            password_hash=passwords.hash_password(form.text("password")),
        )
    except Invalid as error:
        db.session.rollback()
        form.add_problems(error)
        return page("accounts/setup.html", form=form, token=token, status=422)
    return _open(user, url_for("home.index"))


@blueprint.get("/settings")
@requires(Permission.SEE)
def settings() -> Response:
    """Show one's own settings and, to those who manage, the people of the workspace."""
    return _settings_page(PasswordForm(formdata=None))


@blueprint.post("/settings/theme")
@requires(Permission.SEE)
def theme() -> Response:
    """Keep how pages look to this person."""
    form = ThemeForm()
    if not form.validate():
        raise Invalid("The theme is light, dark or the system’s.")
    service.set_theme(db.session(), user_id=who().user_id, theme=form.theme.data or "")
    db.session.commit()
    return htmx.redirect(url_for("accounts.settings"))


@blueprint.post("/settings/password")
@requires(Permission.SEE)
@limiter.limit("10/minute")
def password() -> Response:
    """Change the password; every other session of the person ends."""
    form = PasswordForm()
    if not form.validate():
        return _settings_page(form, status=422)
    with reading() as session:
        user = service.authenticate(session, email=who().email, password=form.text("current"))
    try:
        if user is None:
            raise Invalid(
                "The present password is not right.",
                [FieldError("current", "password", "This is not your present password.")],
            )
        passwords.check(form.text("password"), about=(who().email, who().name))
    except Invalid as error:
        form.add_problems(error)
        return _settings_page(form, status=422)
    digest = passwords.hash_password(form.text("password"))
    service.set_password(
        db.session(), db.session.get_one(User, user.id), password_hash=digest, keep=who().token_hash
    )
    service.audit(
        db.session(),
        workspace_id=who().workspace_id,
        actor=who().name,
        actor_id=user.id,
        action="user.password_changed",
    )
    db.session.commit()
    flash("Your password is changed. Everywhere else you are signed out.", "go")
    return htmx.redirect(url_for("accounts.settings"))


def _sign_in_page(form: SignInForm, *, status: int = 200) -> Response:
    return page(
        "accounts/sign_in.html",
        form=form,
        next=rules.safe_next(request.values.get("next")),
        has_lapsed="lapsed" in request.args,
        status=status,
    )


def _settings_page(form: PasswordForm, *, status: int = 200) -> Response:
    person = who()
    people = queries.members(db.session(), person.workspace_id) if person.may(Permission.MANAGE) else []
    return page(
        "accounts/settings.html",
        form=form,
        theme_form=ThemeForm(formdata=None, theme=person.theme),
        people=people,
        role_words=rules.ROLE_WORDS,
        status=status,
    )


def _wait(form: SignInForm, error: throttle.TooManyTries) -> Response:
    form.form_errors.append(error.message)
    response = _sign_in_page(form, status=error.status)
    response.headers["Retry-After"] = str(error.wait_s)
    return response


def _note_failure(email: str) -> None:
    with transaction(db.engine) as session:
        service.audit(
            session,
            workspace_id=None,
            actor=email[:254],
            actor_id=None,
            action="user.sign_in_failed",
            address=request.remote_addr or "",
        )


def _enter(user: User, password: str, tried: tuple[throttle.Key, throttle.Key]) -> Response:
    digest = passwords.hash_password(password) if passwords.is_outdated(user.password_hash) else None
    session = db.session()
    throttle.succeed(session, tried)
    if digest:
        session.get_one(User, user.id).password_hash = digest
    return _open(user, rules.safe_next(request.values.get("next")))


def _open(user: User, url: str) -> Response:
    opened = service.sign_in(db.session(), user, address=request.remote_addr or "")
    old = request.cookies.get(security.session_cookie())
    if old:
        service.sign_out(db.session(), old)
    db.session.commit()
    response = make_response(htmx.redirect(url))
    security.set_cookie(response, security.SESSION_COOKIE, opened.token, max_age=COOKIE_S)
    security.drop_cookie(response, csrf.COOKIE)
    return response


def _usable(token: str) -> None:
    with reading() as session:
        link = queries.usable_link(session, token, LinkKind.SETUP)
        if link is None or queries.owner_exists(session):
            raise Gone(
                "This set-up link was used or is over.",
                fix="While there is no owner, a restart writes a new one.",
            )
