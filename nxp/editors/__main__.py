"""Write the shipped schemas again: `python -m nxp.editors`, after a change of a model."""

from nxp.editors.files import KINDS, schema_path
from nxp.editors.schemas import text_of

for kind in KINDS:
    path = schema_path(kind)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text_of(kind), "utf-8")
