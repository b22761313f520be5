"""What goes wrong when text is edited.

MutationError
├── SpliceError             the edits do not fit the text, or each other
├── UnknownDefinitionError  a text has no function of that name, or several
├── UnknownOperatorError    the catalogue has no operator of that id
├── SiteError               a place where the edit asked for cannot be made, or one place too many
└── GapError                an extension that cannot be cut out by whole functions
"""


class MutationError(ValueError):
    """An edit that cannot be made, or not as it was asked for."""


class SpliceError(MutationError):
    """Edits that do not fit the text, or overlap."""


class UnknownDefinitionError(MutationError):
    """A qualified name that stands for no definition of the text, or for more than one."""


class UnknownOperatorError(MutationError):
    """An operator id that the catalogue does not hold."""


class SiteError(MutationError):
    """No site, several where one was asked for, or one that cannot be edited as asked."""


class GapError(MutationError):
    """An extension that is not where the contract says, or that shares a function with what a plain model needs."""
