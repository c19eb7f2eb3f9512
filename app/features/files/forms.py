"""Forms of documents."""

from wtforms import HiddenField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from app.features.files import rules
from app.web.forms import Form


class DocumentForm(Form):
    """A document's words. *version* is the one that was shown: a change meanwhile is found."""

    title = StringField("Headline", validators=[Length(max=rules.LONGEST_TITLE)])
    body = TextAreaField(
        "Text", validators=[InputRequired("The text is empty. Write something."), Length(max=rules.LONGEST_BODY)]
    )
    version = HiddenField()

    @property
    def expected_version(self) -> int | None:
        """Return the version that the form was opened with; None when it does not say."""
        said = str(self.version.data or "")
        return int(said) if said.isascii() and said.isdigit() else None
