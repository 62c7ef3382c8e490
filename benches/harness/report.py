"""The run as JSON, and as the Markdown that people read."""

from __future__ import annotations

from .load import Contest

READ = "read by id"
CREATE = "durable create"


def as_json(facts: dict, contests: list[Contest], extras: dict) -> dict:
    return facts | {
        "throughput": [
            {
                "database": contest.database,
                "work": contest.work,
                "contender": contender.name,
                "median_rate": contender.median(),
                "primetrade_ratio": contest.ratio(contender),
                "rounds": contender.rounds,
            }
            for contest in contests
            for contender in contest.contenders
        ],
        "operation": extras,
        "goals": [dict(zip(("goal", "measured", "met"), row)) for row in goals(contests, extras)],
    }


def as_markdown(facts: dict, contests: list[Contest], extras: dict) -> str:
    machine, run = facts["machine"], facts["run"]
    lines = [
        f"# Figures of {facts['date']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores shared by client, server and database; {machine['memory_mb']:,} MB; "
        f"{machine['kernel']}; {machine['file_system']}, {machine['flushes_per_second']:,} flushes/s by one thread; "
        f"load average {machine['load_average_at_start']} at the start.",
        "",
        "; ".join(f"{name} {value}" for name, value in facts["versions"].items()) + ".",
        "",
        f"{run['products']:,} products of one seller, one variant each; {run['connections']} connections, closed loop; "
        f"rounds of {run['seconds']:g} s in turns, {run['rounds']} in all, after {run['warm_up']:g} s unmeasured.",
    ]
    if facts.get("postgresql_settings"):
        settings = facts["postgresql_settings"].items()
        shown = ", ".join(f"{name} {value}" for name, value in settings if name != "server_version")
        lines += ["", f"PostgreSQL: {shown}."]
    if run["quick"]:
        lines += ["", "**A quick run: it shows that everything works, not how fast it is.**"]
    lines += ["", "## Throughput", "", *_throughput(contests)]
    if extras:
        lines += ["", "## Operation", "", "| | SQLite | PostgreSQL |", "|---|--:|--:|", *_operation(extras)]
    if judged := goals(contests, extras):
        lines += ["", "## Goals", "", "| goal | measured | |", "|---|--:|---|"]
        lines += [f"| {goal} | {measured} | {'met' if met else '**missed**'} |" for goal, measured, met in judged]
    return "\n".join(lines) + "\n"


def _throughput(contests: list[Contest]) -> list[str]:
    lines = [
        "| database | work | of | requests/s, median | lowest – highest | p50 ms | p99 ms | PrimeTrade ÷ this |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for contest in contests:
        for contender in contest.contenders:
            rates = contender.values("rate")
            ratio = contest.ratio(contender)
            name = contender.name + (f" ({contender.errors():,} errors!)" if contender.errors() else "")
            lines.append(
                f"| {contest.database} | {contest.work} | {name} | {contender.median():,.0f} | "
                f"{min(rates):,.0f} – {max(rates):,.0f} | {_milliseconds(contender.median('p50'))} | "
                f"{_milliseconds(contender.median('p99'))} | {'' if ratio is None else f'{ratio:.2f}'} |"
            )
    return lines


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


OPERATION = (
    ("import_rows_per_second", "import from CSV, rows/s", "{:,.0f}"),
    ("body_bytes", "body of a read by id, bytes", "{:,.0f}"),
    ("peer_body_bytes", "the same from the bare peer, bytes", "{:,.0f}"),
    ("idle_mb", "resident memory, idle after start, MB", "{:.1f}"),
    ("loaded_mb", "resident memory after the rounds, MB", "{:.1f}"),
    ("start_ms", "start to first answer, existing store, median ms", "{:.0f}"),
    ("start_slowest_ms", "the slowest of these starts, ms", "{:.0f}"),
    ("demo_s", "`serve --demo` in an empty folder to first answer, s", "{:.2f}"),
)


def _operation(extras: dict) -> list[str]:
    lines = []
    for key, label, form in OPERATION:
        cells = [extras.get(database, {}).get(key) for database in ("SQLite", "PostgreSQL")]
        if any(cell is not None for cell in cells):
            shown = ["" if cell is None else form.format(cell) for cell in cells]
            lines.append(f"| {label} | {shown[0]} | {shown[1]} |")
    return lines


def goals(contests: list[Contest], extras: dict) -> list[tuple[str, str, bool]]:
    """What the project promises, against what was measured: (goal, measured, met)."""
    rows = []

    def ratio_goal(database: str, work: str, beside: str, least: float) -> None:
        for contest in contests:
            for contender in contest.contenders:
                if (contest.database, contest.work) == (database, work) and contender.name == beside:
                    if (ratio := contest.ratio(contender)) is not None:
                        goal = f"{database}, {work}: at least {least} × {beside}"
                        rows.append((goal, f"{ratio:.2f}", ratio >= least))

    def rate_goal(database: str, work: str, least: float) -> None:
        for contest in contests:
            first = contest.contenders[0]
            if (contest.database, contest.work, first.name) == (database, work, "PrimeTrade"):
                rate = first.median()
                rows.append((f"{database}, {work}: at least {least:,.0f}/s", f"{rate:,.0f}", rate >= least))

    def limit_goal(key: str, label: str, form: str, limit: float) -> None:
        value = extras.get("SQLite", {}).get(key)
        if value is not None:
            rows.append((f"SQLite, {label}: under {form.format(limit)}", form.format(value), value < limit))

    ratio_goal("SQLite", READ, "bare peer", 0.8)
    ratio_goal("PostgreSQL", READ, "bare peer, pooled", 0.8)
    ratio_goal("PostgreSQL", READ, "bare peer, pipelined", 0.8)
    rate_goal("SQLite", CREATE, 15_000)
    ratio_goal("PostgreSQL", CREATE, "pgbench insert", 0.5)
    limit_goal("start_ms", "start to first answer on an existing store", "{:.0f} ms", 100)
    limit_goal("idle_mb", "idle memory", "{:.1f} MB", 40)
    limit_goal("demo_s", "demo shop ready", "{:.2f} s", 5)
    return rows
