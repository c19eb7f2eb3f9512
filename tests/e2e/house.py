"""The whole product beside a browser: its processes, its mail, and how a person signs in."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.fakes.openai_server import FakeOpenAI
from tests.processes.house import ROOT, House
from tests.servers import ReceivedMail, SmtpServer, free_port, wait_until

PASSWORD = "greenlight-demo"
OWNER = "owner@demo.example"
APPROVER = "approver@demo.example"


@dataclass
class Running:
    """``bin/dev`` in real processes; *url* is what BASE_URL says, *ai* the service that it asks, if any."""

    house: House
    url: str
    smtp: SmtpServer
    ai: FakeOpenAI | None = None

    @classmethod
    def begin(
        cls, folder: Path, *, redis_url: str, smtp: SmtpServer, database_url: str = "", ai: FakeOpenAI | None = None
    ) -> "Running":
        """Start it and wait until its pages, and without AI its sample runs, are there."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = {"PORT": str(port), "BASE_URL": url, "REDIS_URL": redis_url, "SMTP_URL": smtp.url}
        settings |= {"DATABASE_URL": database_url} if database_url else {}
        settings |= {"OPENAI_BASE_URL": ai.url, "OPENAI_API_KEY": "sk-for-tests"} if ai else {}
        house = House(folder, "dev", **settings)
        house.port = port
        try:
            house.wait_for("Greenlight is ready" if ai else "sample runs are there")
        except AssertionError as error:
            raise RuntimeError(house.end()) from error
        return cls(house, url, smtp, ai)

    def sign_in(self, page: Page, email: str = OWNER, password: str = PASSWORD) -> None:
        """Sign in by the form."""
        page.goto(f"{self.url}/sign-in")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", level=1).wait_for()

    def move_in(self, email: str, password: str, workspace: str) -> None:
        """Make a new workspace with one person, its owner, by the command line."""
        person = ["--email", email, "--name", "Robin Boss", "--password", password, "--workspace", workspace]
        environ = {**self.house.environ, "GREENLIGHT_ENV": "development"}
        command = [sys.executable, "-m", "app.cli", "user", "create", *person]
        subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)

    def subjects(self, recipient: str) -> list[str]:
        """Return the subjects of the mails that *recipient* has got so far."""
        return [str(mail.message["Subject"]) for mail in self.smtp.messages if recipient in mail.recipients]

    def mail(self, recipient: str, *words: str) -> ReceivedMail:
        """Return the mail to *recipient* whose text holds all *words*, once it has come."""

        def find() -> ReceivedMail | None:
            for mail in self.smtp.messages:
                if recipient in mail.recipients and all(word in mail.text() for word in words):
                    return mail
            return None

        found: ReceivedMail = wait_until(find)
        return found

    def link(self, mail: ReceivedMail, kind: str = "plain") -> str:
        """Return the link to decide by; it leads to BASE_URL."""
        links = set(re.findall(rf"{re.escape(self.url)}/a/[\w-]{{43}}", mail.text(kind)))
        assert len(links) == 1, mail.text(kind)
        return str(links.pop())
