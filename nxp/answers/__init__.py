"""What the commands print with `--json`, as types.

The JSON Schemas (`nxp schema answers`) and the tables of docs/connector.md are made from these
types, and the commands print their values, so the three cannot differ.

To describe another answer:

1. Write it in a module here as a frozen dataclass. Give each field its type and its source, such as
   `Annotated[str, api("requestId", "Id of the request.")]`; the sources are in `sources.py`.
   A model that the client returns may be printed as it is: its aliases are the API's names.
2. Let the command build a value of this type and hand it to `nxp.output.print_json`.
3. Add an `Operation` to `operations.py`: the command's words, this type, and the client's method,
   the task and the requests behind it.
4. Run `python -m nxp.answers > docs/connector.md`.

tests/integration/nxp/test_answers.py calls every operation on the sandbox: add a call there.
"""
