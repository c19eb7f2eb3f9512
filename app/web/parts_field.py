"""One answer that has several parts, such as a vehicle: a field for each of them, under one name."""

from collections.abc import Mapping
from typing import Any

from wtforms import Field
from wtforms.form import BaseForm
from wtforms.utils import unset_value


class PartsField(Field):
    """Ask for the parts of one answer; *data* has the text of each by its key, None where nothing was given.

    *fields* makes the field of each part, whose name is that of the whole and its key: ``q_car-year``. *units* says
    what stands in a box before and after one.
    """

    def __init__(
        self,
        label: str,
        validators: Any = None,
        *,
        fields: Mapping[str, Any],
        units: Mapping[str, tuple[str, str]],
        **options: Any,
    ) -> None:
        super().__init__(label, validators, **options)
        self._fields = fields
        self.units = units

    def process(self, formdata: Any, data: Any = unset_value, extra_filters: Any = None) -> None:
        """Take what is kept, then what was posted for each part."""
        data = self.default if data is unset_value else data
        self.process_errors: list[str] = []
        self._form: Any = BaseForm(self._fields, prefix=f"{self.name}-")
        kept = data if isinstance(data, Mapping) else {}
        self._form.process(formdata, data={key: kept.get(key) for key in self._fields})
        given = {key: field.data or "" for key, field in self._form._fields.items()}
        self.object_data, self.data = data, given if any(text.strip() for text in given.values()) else None

    @property
    def parts(self) -> list[tuple[str, Field]]:
        """The parts in their order, each by its key."""
        return list(self._form._fields.items())

    def part(self, key: str) -> Field | None:
        """Return the field of a part; None where there is none."""
        return dict(self.parts).get(key)
