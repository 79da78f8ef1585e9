"""The console of a local run: for a terminal in colour and to scale, else as plain lines that grep understands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol, TextIO

from rich import box
from rich.cells import set_cell_size
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from thimble.sandbox import wording
from thimble.sandbox.run_report import Invocation, LogLine, Request, RunReport

WIDTH_MAX: Final = 132
"""Columns used at most: longer lines are tiring, and a bar gains nothing."""

LOGS_SHOWN_MAX: Final = 40
"""Log lines shown per invocation unless all are asked for: the first and the last ones."""

PROGRESS_MAX: Final = 20
"""Steps of a run that the plain console announces one by one."""

TEXT_ROWS_MAX: Final = 8
"""Rows shown of one log line that has several, such as a traceback."""

INDENT: Final = 19
"""Columns before a log line's text: its time and its status."""

STATUS_STYLES: Final = {
    "error": "bold red",
    "critical": "bold red",
    "warn": "yellow",
    "info": "green",
    "debug": "dim",
    "trace": "dim",
}
INIT_STYLE: Final = "cyan"
HANDLER_STYLE: Final = "green"
AFTER_STYLE: Final = "magenta"


class RunView(Protocol):
    """What a run shows itself through."""

    def heading(self, function: str, extension: str, notes: list[str]) -> None:
        """Say what is about to run."""

    def working(self, text: str) -> AbstractContextManager[None]:
        """Context manager: say what is going on while something takes time."""

    def invocation(self, invocation: Invocation) -> None:
        """Show one invocation."""

    def remark(self, text: str) -> None:
        """Say something beside the invocations."""

    def summary(self, report: RunReport) -> None:
        """Show the end."""


def view_for(stream: TextIO, shows_all: bool) -> RunView:
    """Return the fitting console: pretty on a terminal, plain elsewhere."""
    console = Console(file=stream, highlight=False)
    return PrettyView(console, shows_all) if console.is_terminal else PlainView(stream)


class PrettyView:
    """Panels, bars to scale and colours, by `rich`. `NO_COLOR` is honoured.

    Args:
        console: Where to; its width is cut to `WIDTH_MAX`.
        shows_all: Show every log line in full instead of one row each.
    """

    def __init__(self, console: Console, shows_all: bool = False) -> None:
        self._console = console
        self._shows_all = shows_all
        self._width = min(console.width, WIDTH_MAX)
        self._block = "█" if "utf" in console.encoding.lower() else "#"

    def heading(self, function: str, extension: str, notes: list[str]) -> None:
        """Say what is about to run."""
        text = Text.assemble((function, "bold"), ("  beside  ", "dim"), (extension or "no extension", "bold"))
        self._print(text)
        for note in notes:
            self._print(Text(note, style="dim"))
        self._print()

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show a spinner with a text; it leaves no trace."""
        with self._console.status(Text(text, style="dim"), spinner="dots"):
            yield

    def invocation(self, invocation: Invocation) -> None:
        """Show one invocation as a panel."""
        inner = self._width - 4
        parts: list[RenderableType] = [self._timeline(invocation, inner), self._figures(invocation)]
        answer = wording.shorten(wording.answer_text(invocation), inner - 2)
        if answer:
            style = "" if invocation.is_ok else "red"
            parts.append(Text.assemble(("→ " if invocation.is_ok else "✗ ", style or "green"), (answer, style)))
        parts.append(Text())
        parts.append(self._logs(invocation, inner) if invocation.logs else Text("No log line arrived.", style="yellow"))
        for kind, lines in (("metric", invocation.metrics), ("span", invocation.spans)):
            if lines:
                parts.append(Text())
                parts += [
                    Text.assemble((f"{kind:7} ", "dim"), wording.shorten(wording.one_line(line), inner - 8))
                    for line in lines
                ]
        if invocation.requests:
            parts.append(Text())
            parts += [self._request(request) for request in invocation.requests]
        style = "red" if not invocation.is_ok else "green"
        title = Text.assemble(
            (f" {invocation.number} ", "bold"), (f"{invocation.label} ", "bold"),
            ("· ", "dim"), (f"{wording.outcome_text(invocation)} ", style),
        )  # fmt: skip
        panel = Panel(
            Group(*parts), title=title, title_align="left", subtitle=f" {invocation.result.request_id} ",
            subtitle_align="right", border_style="bright_black" if invocation.is_ok else "red", box=box.ROUNDED,
            width=self._width,
        )  # fmt: skip
        self._print(panel)

    def remark(self, text: str) -> None:
        """Say something beside the invocations."""
        self._print(Text(text, style="dim"))
        self._print()

    def summary(self, report: RunReport) -> None:
        """Show what was sent, what was lost and how it ended."""
        if report.unattributed:
            self._print(Text("Log entries that belong to no invocation of this run", style="bold"))
            for line in report.unattributed[:LOGS_SHOWN_MAX]:
                self._print(Padding(self._line(line, "", self._width - 2, ""), (0, 0, 0, 2)))
            self._print()
        self._print(Rule("What Datadog would have received", style="dim", align="left"), width=self._width)
        if report.totals:
            table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
            table.add_column("product")
            for heading in ("requests", "accepted", "items", "on the wire", "uncompressed", "smaller"):
                table.add_column(heading, justify="right")
            for product, row in report.totals.items():
                refused = row["requests"] - row["accepted"]
                wire, raw = row["wire_bytes"], row.get("raw_bytes", 0)
                table.add_row(
                    product, str(row["requests"]), Text(str(row["accepted"]), style="red" if refused else "green"),
                    wording.counted(row.get("item_count", 0), wording.item_noun(product)), wording.size(wire),
                    wording.size(raw), f"{raw / wire:.1f}x" if wire else "",
                )  # fmt: skip
            self._print(Padding(table, (0, 0, 0, 2)))
        else:
            self._print(Text("  nothing", style="yellow"))
        self._print()
        good = bool(report.extension) and not report.lost and not report.undelivered
        self._print(Text.assemble(("✓ " if good else "✗ ", "green" if good else "red"), wording.losses_text(report)))
        for lost in wording.lost_rows(report):
            self._print(Text("    " + wording.shorten(lost, self._width - 4), style="red"))
        for status, text in report.own_lines:
            if self._shows_all or status in ("warn", "error"):
                said = wording.shorten(wording.one_line(text), self._width - 22)
                self._print(Text.assemble(("  The extension said: ", "dim"), (said, STATUS_STYLES.get(status, "dim"))))
        for text in (wording.start_up_text(report), wording.spread_text(report), wording.shutdown_text(report)):
            if text:
                self._print(Text("  " + text, style="dim"))
        for text in report.violations:
            self._print(Text("  Breach of Lambda's protocol: " + text, style="red"))

    def _print(self, *renderables: RenderableType, width: int | None = None) -> None:
        self._console.print(*renderables, width=width or self._width, soft_wrap=False, highlight=False)

    def _timeline(self, invocation: Invocation, width: int) -> Text:
        phases = [
            (invocation.init_ms, INIT_STYLE),
            (invocation.handler_ms, HANDLER_STYLE if invocation.is_ok else "red"),
            (invocation.after_ms, AFTER_STYLE),
        ]
        bar = Text()
        for cells, (_, style) in zip(cells_to_scale([value for value, _ in phases], width), phases, strict=True):
            bar.append(self._block * cells, style=style)
        return bar

    def _figures(self, invocation: Invocation) -> Text:
        text = Text()
        for name, value, style in (
            ("init", invocation.init_ms, INIT_STYLE),
            ("handler", invocation.handler_ms, HANDLER_STYLE if invocation.is_ok else "red"),
            ("extension", invocation.after_ms, AFTER_STYLE),
        ):
            if value or name == "handler":
                text.append(f"{self._block} ", style=style)
                text.append(f"{name} {wording.milliseconds(value)}   ")
        text.append(f"billed {invocation.billed_ms:.0f} ms", style="bold")
        if invocation.memory_used_mb:
            text.append(f"   memory {invocation.memory_used_mb} of {invocation.memory_mb} MB", style="dim")
        return text

    def _logs(self, invocation: Invocation, width: int) -> RenderableType:
        """The log lines in order of time, which is how Datadog shows them; the middle is left out of many."""
        lines = sorted(invocation.logs, key=lambda line: line.timestamp_ms)
        hidden = 0 if self._shows_all else max(0, len(lines) - LOGS_SHOWN_MAX)
        half = LOGS_SHOWN_MAX // 2 if hidden else len(lines)
        request_id = invocation.result.request_id
        rows: list[RenderableType] = [
            self._line(line, wording.offset_text(line, invocation), width, request_id) for line in lines[:half]
        ]
        if hidden:
            rows.append(Text(f"{'':{INDENT}}… {wording.counted(hidden, 'more line')}, --full shows all", style="dim"))
            rows += [
                self._line(line, wording.offset_text(line, invocation), width, request_id) for line in lines[-half:]
            ]
        return Group(*rows)

    def _line(self, line: LogLine, offset: str, width: int, request_id: str) -> Text:
        row = Text.assemble((f"{offset:>10}  ", "dim"), (f"{line.status[:5]:5}  ", STATUS_STYLES.get(line.status, "")))
        style = "dim" if line.is_platform else ("red" if line.status in ("error", "critical") else "")
        texts = wording.text_lines(line.text)
        rows_max = len(texts) if self._shows_all else TEXT_ROWS_MAX
        for index, text in enumerate(texts[:rows_max]):
            if index:
                row.append("\n" + " " * INDENT)
            if self._shows_all:
                row.append(text, style=style)
                continue
            short = text.replace(request_id, "…") if request_id else text
            row.append(_fit(short, width - INDENT), style=style)
        if len(texts) > rows_max:
            row.append(f"\n{'':{INDENT}}… {wording.counted(len(texts) - rows_max, 'more row')}", style="dim")
        return row

    def _request(self, request: Request) -> Text:
        mark = ("↑ ", "green") if request.accepted else ("✗ ", "red")
        return Text.assemble(mark, (wording.request_text(request), "dim" if request.accepted else "red"))


class PlainView:
    """One fact per line, no colours, no boxes: for files, pipes and CI. Log lines are complete, line ends marked."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._steps = 0

    def heading(self, function: str, extension: str, notes: list[str]) -> None:
        """Say what is about to run."""
        self._say(f"function {function}, extension {extension or 'none'}")
        for note in notes:
            self._say(f"note: {note}")

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Say it once; after `PROGRESS_MAX` times only now and then."""
        self._steps += 1
        if self._steps <= PROGRESS_MAX or self._steps % 100 == 0:
            self._say(f"# {text}")
        yield

    def invocation(self, invocation: Invocation) -> None:
        """Show one invocation; every line begins with its number."""
        result = invocation.result
        self._say(
            f"{invocation.number} {invocation.label}: {wording.outcome_text(invocation)}, request {result.request_id}, "
            f"init {invocation.init_ms:.2f} ms, handler {invocation.handler_ms:.2f} ms, "
            f"extension {invocation.after_ms:.2f} ms, duration {invocation.duration_ms:.2f} ms, "
            f"billed {invocation.billed_ms:.0f} ms, memory {invocation.memory_used_mb} of {invocation.memory_mb} MB"
        )
        self._say(f"{invocation.number} answer {wording.payload_text(invocation)}")
        for line in invocation.logs:
            offset = wording.offset_text(line, invocation)
            self._say(f"{invocation.number} log {offset} {line.status} {wording.one_line(line.text)}")
        for text in invocation.metrics:
            self._say(f"{invocation.number} metric {wording.one_line(text)}")
        for text in invocation.spans:
            self._say(f"{invocation.number} span {wording.one_line(text)}")
        for request in invocation.requests:
            self._say(f"{invocation.number} sent {wording.request_text(request)}")

    def remark(self, text: str) -> None:
        """Say something beside the invocations."""
        self._say(f"# {text}")

    def summary(self, report: RunReport) -> None:
        """Show what was sent, what was lost and how it ended."""
        for line in report.unattributed:
            self._say(f"- log {line.status} {wording.one_line(line.text)}")
        for product, row in report.totals.items():
            self._say(
                f"total {product}: {wording.counted(row['requests'], 'request')}, {row['accepted']} accepted, "
                f"{wording.counted(row.get('item_count', 0), wording.item_noun(product))}, "
                f"{row['wire_bytes']} B on the wire, {row.get('raw_bytes', 0)} B uncompressed"
            )
        self._say(wording.losses_text(report))
        for text in wording.lost_rows(report):
            self._say(f"lost: {text}")
        for status, text in report.own_lines:
            self._say(f"extension said: {status} {wording.one_line(text)}")
        for text in (wording.start_up_text(report), wording.spread_text(report), wording.shutdown_text(report)):
            if text:
                self._say(text)
        for text in report.violations:
            self._say(f"breach of Lambda's protocol: {text}")

    def _say(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()


def cells_to_scale(values: list[float], width: int) -> list[int]:
    """Share `width` cells among values in proportion; a value above 0 gets at least one cell.

    Returns:
        One count per value; they sum up to `width`, or to 0 when no value is above 0.
    """
    total = sum(values)
    if total <= 0:
        return [0] * len(values)
    cells = [max(1, int(value / total * width)) if value > 0 else 0 for value in values]
    largest = max(range(len(values)), key=values.__getitem__)
    cells[largest] += width - sum(cells)
    return cells


def _fit(text: str, width: int) -> str:
    """Cut to a width in terminal cells, wide characters counted as two."""
    fitted = set_cell_size(text, max(1, width))
    return fitted.rstrip() if fitted.rstrip() == text.rstrip() else set_cell_size(text, max(1, width - 1)) + "…"
