"""Who may enter which route: walked over the whole route map."""

from app.features.accounts.enums import Permission, Role
from app.features.accounts.rules import PERMISSIONS
from tests.cast import Cast
from tests.web.routes import routes

UNGUARDED = {"ops.healthz", "ops.readyz"}


def test_every_view_says_who_may_enter(cast: Cast) -> None:
    silent = {
        route.endpoint
        for unsafe in (True, False)
        for route in routes(cast.app, unsafe=unsafe)
        if not hasattr(cast.app.view_functions[route.endpoint], "permission")
    }
    assert silent == UNGUARDED


def test_strangers_meet_the_sign_in_page_on_every_guarded_route(cast: Cast) -> None:
    client = cast.browser(None)
    for route in routes(cast.app, unsafe=False):
        if getattr(cast.app.view_functions[route.endpoint], "permission", None) is not None:
            response = client.get(route.path)
            assert (route.endpoint, response.status_code, response.location.split("?")[0]) == (
                route.endpoint, 303, "/sign-in",
            )  # fmt: skip


def test_a_lesser_role_gets_403_where_it_lacks_the_permission(cast: Cast) -> None:
    client, lacking = cast.browser(cast.bob), set(Permission) - PERMISSIONS[Role.APPROVER]
    walked = []
    for unsafe in (True, False):
        for route in routes(cast.app, unsafe=unsafe):
            if getattr(cast.app.view_functions[route.endpoint], "permission", None) in lacking:
                walked.append(route.endpoint)
                response = client.open(route.path, method=route.method)
                assert (str(route), response.status_code) == (str(route), 403)
                assert "Ask an owner of your workspace." in response.text
    assert len(walked) >= 2


def test_roles_have_what_the_rules_say() -> None:
    assert PERMISSIONS[Role.OWNER] == set(Permission)
    assert PERMISSIONS[Role.OWNER] > PERMISSIONS[Role.EDITOR] > PERMISSIONS[Role.APPROVER]
    assert Permission.MANAGE not in PERMISSIONS[Role.EDITOR]
    assert PERMISSIONS[Role.APPROVER] == {Permission.SEE, Permission.APPROVE}
