"""A progress bar on standard error for work that may take over two seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(description: str, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves the bar on by some steps; it does nothing where no bar is wanted.

    Parameters
    ----------
    description : str
    total : int
        Number of steps.
    shown : bool
    """
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def rows_bar(description: str, unit: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is told how much is done and how much there is in all, and shows the rate and time left.

    Parameters
    ----------
    description : str
    unit : str
        What is counted, in the plural.
    shown : bool
    """
    if not shown:
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    counts = TextColumn("{task.completed:,.0f} of {task.total:,.0f}")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), counts, rate, TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(description, total=0, rate="")
        start: list[tuple[float, int]] = []

        def tell(done: int, total: int) -> None:
            start.append((time.monotonic(), done))
            seconds, before = start[0]
            passed = time.monotonic() - seconds
            rate = f"{(done - before) / passed:,.0f} {unit} a second" if passed and done > before else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield tell


class Stopwatch:
    """Where the time goes: seconds by the name of what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time of the block to that of `what`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - start

    @property
    def words(self) -> str:
        """The seconds in one line, longest first."""
        parts = sorted(self.seconds.items(), key=lambda item: -item[1])
        return ", ".join(f"{what} {seconds:.0f} s" for what, seconds in parts)
