"""A verifier as a reward function: what all frameworks have in common.

Takes a verifier, a calling convention and a projection; gives the base class of the reward functions. It can be
pickled where the verifier is named and not given as an object. Imports no framework.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from restem.verifiers.adapters.calls import CALLS
from restem.verifiers.adapters.items import Columns, Item
from restem.verifiers.adapters.projection import UNDECIDED, VALUES, Projection, Undecided, Value
from restem.verifiers.adapters.scoring import Shared, Tables, in_thread, shared
from restem.verifiers.verdict import UnknownVerifier, Verdict, Verifier

NO_TABLES: Tables = MappingProxyType({})


class RewardFunction:
    """A verifier under the signature of a framework.

    Args:
        verifier: A name that `restem.verifiers.build` knows, or a verifier.
        tables: Name -> options, as `build` takes them.
        undecided: What an undecided verdict becomes; None: the form's default.
        value: Whether the number is the outcome or the score.
        columns: Where question, reference and data are.

    Attributes:
        form: The name of the calling convention.
        default: What an undecided verdict becomes where the user does not say.
        possible: What it may become: not None where the framework needs a number.
    """

    form: ClassVar[str]
    default: ClassVar[Undecided]
    possible: ClassVar[tuple[Undecided, ...]] = UNDECIDED

    def __init__(
        self,
        verifier: str | Verifier,
        *,
        tables: Tables = NO_TABLES,
        undecided: Undecided | None = None,
        value: Value = "outcome",
        columns: Columns | None = None,
    ) -> None:
        self.verifier = verifier
        self.tables = tables if tables is NO_TABLES else {name: dict(table) for name, table in tables.items()}
        self.columns = columns or Columns()
        self.projection = Projection(undecided=self._possible(undecided), value=_one_of("value", value, VALUES))
        self.__name__ = verifier if isinstance(verifier, str) else verifier.name
        self._given = None if isinstance(verifier, str) else Shared(verifier)
        if self.shared.whole_problem and not CALLS[self.form].batched:
            raise self._single()

    def _possible(self, undecided: Undecided | None) -> Undecided:
        chosen = _one_of("undecided", self.default if undecided is None else undecided, UNDECIDED)
        if chosen not in self.possible:
            listed = ", ".join(map(repr, self.possible))
            raise UnknownVerifier(f"undecided={chosen!r}: {self.form} needs a number, expected one of {listed}")
        return chosen

    def _single(self) -> UnknownVerifier:
        whole = ", ".join(call.name for call in CALLS.values() if call.batched)
        return UnknownVerifier(
            f"verifier {self.__name__!r} compares the responses to a problem with each other, and {self.form} asked "
            f"for one response alone: use a form with whole groups ({whole}; slime with --group-rm), or record the "
            "rows and verify those"
        )

    @property
    def shared(self) -> Shared:
        """The verifier of this process."""
        return self._given or shared(str(self.verifier), self.tables)

    def __reduce__(self) -> tuple[Any, ...]:
        settings = {
            "tables": dict(self.tables),
            "undecided": self.projection.undecided,
            "value": self.projection.value,
            "columns": self.columns,
        }
        return _again, (type(self), self.verifier, settings)

    def items(self, arguments: Mapping[str, Any]) -> list[Item]:
        """The responses of a call.

        Raises:
            UnknownVerifier: A column is missing, or the verifier needs a reference and there is none.
        """
        items = CALLS[self.form].items(arguments, self.columns)
        if self.shared.whole_problem and len(items) == 1:
            raise self._single()
        if self.shared.needs_reference and items and not any(item.references or item.data for item in items):
            listed = ", ".join(name for name, value in arguments.items() if value is not None)
            raise UnknownVerifier(
                f"verifier {self.__name__!r} needs a reference, and none came with the call: name its column, as in "
                f'reference="answer", or with data="..." that of its tests; there are: {listed}'
            )
        return items

    def numbers(self, verdicts: Sequence[Verdict]) -> list[float | None]:
        """One number a verdict, in order.

        Raises:
            UndecidedResponse: One is undecided, and that shall raise.
        """
        return [self.projection.number(verdict, self.__name__) for verdict in verdicts]

    def verdicts(self, **arguments: Any) -> Sequence[Verdict]:
        """One verdict a response of the call, in order."""
        return self.shared.verify(self.items(arguments))

    async def verdicts_later(self, **arguments: Any) -> Sequence[Verdict]:
        """As `verdicts`; the event loop goes on while they are made."""
        return await in_thread(self.shared, self.items(arguments))


def _again(kind: type[RewardFunction], verifier: str | Verifier, settings: Mapping[str, Any]) -> RewardFunction:
    return kind(verifier, **settings)


def _one_of(parameter: str, value: Any, possible: Sequence[Any]) -> Any:
    if value not in possible:
        listed = ", ".join(map(repr, possible))
        raise UnknownVerifier(f"{parameter}={value!r}: expected one of {listed}")
    return value
