"""Formulas typed by a user become graphs: parsed by an allow-list, never evaluated as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .engine.operation import FUNCTIONS, OPERATIONS, UFUNCS
from .engine.value import Value
from .errors import FormulaError, closest

OPERATORS: Mapping[type[ast.operator | ast.unaryop | ast.cmpop], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
CONSTANTS: Mapping[str, float] = {"pi": float(np.pi), "e": float(np.e)}
LONGEST = 10_000


def functions() -> dict[str, Callable[..., Any]]:
    """What may be called: every operation by its name, and NumPy's functions that have one."""
    known = {function.__name__: function for function in (*UFUNCS, *FUNCTIONS)} | OPERATIONS
    return known | {"abs": OPERATIONS["absolute"]}


def parse(text: str) -> dict[str, Any]:
    """Names and what they stand for, from assignments such as `x = 2; y = -3; z = relu(x*y)**2`.

    Statements are divided by semicolons or line ends; the last may be a bare expression, which is
    called "result". Numbers and lists that a name is given become leaves of that name; everything
    computed remembers its name too. Raises `FormulaError` that shows the place of the mistake.
    """
    return Program(text)({})


class Program:
    """A formula that was read and can be computed for other values of its names."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise FormulaError(f"a formula of {len(text)} characters; at most {LONGEST} are read")
        source = "\n".join(part.strip() for part in text.replace(";", "\n").split("\n"))
        self.lines = source.split("\n")
        try:
            self.statements = ast.parse(source).body
        except SyntaxError as error:
            line = self.lines[(error.lineno or 1) - 1]
            raise FormulaError(pointed(f"{error.msg}", line, (error.offset or 1) - 1)) from None
        except (RecursionError, MemoryError, ValueError):
            raise FormulaError(
                "the formula is nested too deeply, or holds a null character"
            ) from None
        if not self.statements:
            raise FormulaError('the formula is empty; write one such as "x = 2; y = x**2"')

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """As `parse`, with `given` for the names in it, whatever the formula sets them to."""
        reader = Reader(self.lines, given)
        with np.errstate(all="ignore"):
            for position, statement in enumerate(self.statements):
                reader.statement(statement, last=position == len(self.statements) - 1)
        return reader.values


def pointed(message: str, line: str, column: int) -> str:
    """A message, the line it is about, and a mark below the column."""
    return f"{message}\n  {line}\n  {' ' * max(column, 0)}^"


class Reader:
    """Walks the syntax tree of a formula and computes what it says."""

    def __init__(self, lines: list[str], given: Mapping[str, Any]) -> None:
        self.lines = lines
        self.given = given
        self.values: dict[str, Any] = dict(given)
        self.functions = functions()

    def wrong(self, node: ast.AST, message: str) -> FormulaError:
        """An error that points at `node`."""
        # Columns of the syntax tree count bytes.
        line = self.lines[getattr(node, "lineno", 1) - 1]
        column = len(line.encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore"))
        return FormulaError(pointed(message, line, column))

    def statement(self, node: ast.stmt, last: bool) -> None:
        """An assignment, or at the end an expression."""
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            (target,) = node.targets
            if not isinstance(target, ast.Name):
                raise self.wrong(target, "a name must stand on the left of =")
            if target.id in self.given:
                return
            if target.id in self.values:
                # Two meanings of one name could not be told apart in the formulas.
                raise self.wrong(target, f"{target.id} is set already; choose another name")
            self.values[target.id] = self.named(target.id, self.value(node.value))
        elif isinstance(node, ast.Expr):
            if not last:
                raise self.wrong(
                    node, "give this a name, as in y = ...; only the last may do without"
                )
            self.values["result"] = self.named(None, self.value(node.value))
        else:
            raise self.wrong(node, "only assignments such as y = x**2 and expressions are read")

    def named(self, name: str | None, value: Any) -> Any:
        """A number becomes a leaf; a result remembers its name."""
        if not isinstance(value, Value):
            return Value(value, name=name)
        if value.name is None and name is not None:
            value.name = name
        return value

    def value(self, node: ast.expr) -> Any:
        """What an expression is worth."""
        try:
            return self.computed(node)
        except FormulaError:
            raise
        except RecursionError:
            raise FormulaError("the formula is nested too deeply") from None
        except OverflowError:
            raise self.wrong(node, "the number is too large") from None
        except (ValueError, TypeError, ArithmeticError, IndexError, AttributeError) as error:
            raise self.wrong(node, str(error)) from None

    def computed(self, node: ast.expr) -> Any:
        """One kind of expression after the other; everything that is not listed is refused."""
        match node:
            case ast.Constant(value=bool()):
                raise self.wrong(node, "write a number; truth values are not read")
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self.looked_up(node, name)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return self.array(node, [self.value(part) for part in parts])
            case ast.UnaryOp(op=sign, operand=inner) if type(sign) in OPERATORS:
                return OPERATORS[type(sign)](self.value(inner))
            case ast.BinOp(op=ast.BitXor()):
                raise self.wrong(node, "write ** for powers, as in x**2")
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
                return OPERATORS[type(sign)](self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in OPERATORS:
                return OPERATORS[type(sign)](self.value(left), self.value(right))
            case ast.Call():
                return self.called(node)
        raise self.wrong(
            node, "this is not read here; use numbers, names, + - * / // % ** @ and functions"
        )

    def looked_up(self, node: ast.expr, name: str) -> Any:
        """The value of a name."""
        if name in self.values:
            return self.values[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in self.functions:
            raise self.wrong(node, f"{name} is a function; write {name}(...)")
        raise self.wrong(node, f"no value is called {name!r}; set it first, as in {name} = 1; ...")

    def array(self, node: ast.expr, parts: list[Any]) -> Any:
        """A list of numbers as an array; of values, stacked."""
        if any(isinstance(part, Value) for part in parts):
            return self.functions["stack"](parts)
        return np.array(parts, np.float64)

    def called(self, node: ast.Call) -> Any:
        """A function by its name, on values; options are numbers."""
        if not isinstance(node.func, ast.Name):
            raise self.wrong(node.func, "call a function by its plain name, as in tanh(x)")
        name = node.func.id
        if name not in self.functions:
            near = closest(name, self.functions, 5, fallback=False)
            hint = f"there is {near}" if near else "te.OPERATIONS lists them"
            raise self.wrong(node.func, f"no function is called {name!r}; {hint}")
        arguments = [self.value(part) for part in node.args]
        options = {}
        for each in node.keywords:
            if each.arg is None:
                raise self.wrong(each.value, "** is not read in a call")
            options[each.arg] = self.option(each.value)
        if not any(isinstance(part, Value) for part in arguments):
            arguments = [np.asarray(part, np.float64)[()] for part in arguments]
        return self.functions[name](*arguments, **options)

    def option(self, node: ast.expr) -> Any:
        """A literal: axis=0 stays a whole number, approximate="none" a text."""
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            return self.value(node)
