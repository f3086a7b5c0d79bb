"""docs/performance.md and its charts: words from page.md, numbers from the results."""

from . import places
from .charts import chart
from .judge import judge, unexplained
from .rows import CPU_UNITS, GROUPS
from .servers import KINDS, TABLE
from .targets import RUNTIMES, TARGETS

# The servers of the large tables, in their order.
COLUMNS = ("limit", "vsftpd", "proftpd", "pure-ftpd", "pyftpdlib", "unftp", "threads", "smol")


def files(results):
    """Every file that follows from the results: path and text."""
    verdicts = judge(results)
    made = {}
    pictures = []
    for group in GROUPS:
        drawn = draw(results, group)
        if drawn:
            made[places.CHARTS / f"{group.name}.svg"] = drawn
            pictures.append(f"![{group.title}: server CPU beside the limit](performance/{group.name}.svg)")
    text = places.TEMPLATE.read_text()
    for name, part in {
        "machine": machine(results),
        "rows": explanations(results),
        "targets": targets(verdicts),
        "charts": "\n\n".join(pictures),
        "cpu": table(results, "cpu"),
        "rates": table(results, "metric"),
        "details": details(results),
        "times": times(results),
        "others": others(results),
        "system_calls": system_calls(results),
        "troubles": troubles(results),
    }.items():
        text = text.replace("{{" + name + "}}", part)
    made[places.DOCUMENT] = text
    return made, verdicts


def write(results):
    """Writes them, and removes charts that are no longer drawn."""
    made, verdicts = files(results)
    places.CHARTS.mkdir(parents=True, exist_ok=True)
    for path in places.CHARTS.glob("*.svg"):
        if path not in made:
            path.unlink()
    for path, text in made.items():
        path.write_text(text)
    return verdicts


def differing(results):
    """Files that are not what the results give, and the verdicts."""
    made, verdicts = files(results)
    wrong = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    return wrong + [path for path in places.CHARTS.glob("*.svg") if path not in made], verdicts


def number(value):
    if value is None:
        return "–"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 or not value else f"{value:.4f}"


def machine(results):
    facts = results.kept["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    kind = "a virtual machine" if facts["virtual"] else "a machine"
    rounds = results.kept["rounds"]
    how = "one round" if rounds == 1 else f"{rounds} interleaved rounds"
    words = (f"Measured on {facts['date']} in {how}, on {kind} with "
             f"{facts['processors']} processors ({facts['model']}), {facts['memory_gib']} GiB, {facts['system']}, "
             f"Linux {facts['kernel']}. Peers: {versions}.")
    if not results.is_whole():
        words += ("\n\n**These are provisional numbers**: of a short run, on a machine that did other work meanwhile. "
                  "They show that the measurement works; a target counts as met or missed only after five rounds.")
    return words


def explanations(results):
    lines = ["| row | what is done | pinned |", "| --- | --- | --- |"]
    for name in results.rows:
        row = results.table[name]
        lines.append(f"| {name} | {row.what} | {'yes' if row.pin else ''} |")
    return "\n".join(lines)


def meaning(verdict):
    """A target in words."""
    target = verdict.target
    compared = "≥" if target.least else "≤"
    bound = f"{target.bound(verdict.runtime):g}"
    if target.of:
        return f"{compared} {bound} × {verdict.of}"
    return f"{compared} {bound} {target.unit}".rstrip()


def subject(target):
    if target.note:
        return target.note + (f" ({target.key})" if target.key == "errors" else "")
    return "server CPU"


def targets(verdicts):
    """One line for each target, both runtimes side by side, then why some are missed."""
    cells = {}
    for verdict in verdicts:
        cells.setdefault(verdict.target, {})[verdict.runtime] = verdict
    lines = ["| row | what | threads: target | measured | | smol: target | measured | |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for target in sorted(cells, key=place):
        parts = [target.row, subject(target)]
        for runtime in RUNTIMES:
            verdict = cells[target].get(runtime)
            if verdict is None:
                parts += ["", "", ""]
            else:
                parts += [meaning(verdict), number(verdict.measured), "met" if verdict.met else "**missed**"]
        lines.append("| " + " | ".join(parts) + " |")
    met = sum(verdict.met for verdict in verdicts)
    lines += ["", f"{met} of {len(verdicts)} are met."]
    missed = [verdict for verdict in verdicts if not verdict.met]
    if missed:
        lines += ["", "Missed, and why:", ""]
        for verdict in missed:
            reason = verdict.reason or "*not explained yet*"
            lines.append(f"- {verdict.target.named()}, {verdict.runtime}, {number(verdict.measured)} "
                         f"({meaning(verdict)}): {reason}")
    return "\n".join(lines)


def place(target):
    """Targets of a row stand together, in the order of the rows that were first named."""
    first = next(index for index, other in enumerate(TARGETS) if other.row == target.row)
    return first, TARGETS.index(target)


def marked(results, name, runtime, memory):
    """The first bound of a row, in the unit of its chart: times the limit, or KiB."""
    for target in TARGETS:
        bound = target.bound(runtime)
        if target.row != name or target.variant or bound is None:
            continue
        if memory and target.key == "pss_kib_per_session":
            return bound
        base = results.cpu(name, target.of) if target.key == "cpu" and not memory else None
        if base:
            return bound * base / results.cpu(name, "limit")
    return None


def draw(results, group):
    """The chart of a group: CPU as ratio to the limit; of idle sessions memory."""
    rows = []
    memory = group.name == "idle"
    for name in results.rows:
        row = results.table[name]
        if row.group != group.name:
            continue
        key = row.metric if memory else row.cpu
        limit = results.get(name, "limit", key)
        if not limit:
            continue
        peer = results.best_peer(name, key)
        bars = []
        for kind, server in (("limit", "limit"), ("peer", peer), ("threads", "threads"), ("smol", "smol")):
            value = results.get(name, server, key) if server else None
            if value is None:
                continue
            shown = value if memory else value / limit
            target = marked(results, name, server, memory) if kind in RUNTIMES else None
            bars.append((kind, peer if kind == "peer" else "", shown, target))
        rows.append((name, bars))
    if not rows:
        return None
    unit = "KiB per session, less is better" if memory else "server CPU, × limit, less is better"
    return chart(group.title, unit, rows)


def columns(results, names):
    """The servers that did any of these rows."""
    return [server for server in COLUMNS if any(server in results.rows[name] for name in names)]


def cell(results, name, server, key):
    found = results.rows[name].get(server)
    if found is None:
        return ""
    if found.get(key) is None:
        return "failed"
    return number(found[key]) + ("" if found["good"] else " (errors)")


def ratios(results, name, key, low):
    """Ours beside the best peer's."""
    peer = results.best_peer(name, key, low)
    base = results.get(name, peer, key) if peer else None
    parts = []
    for runtime in RUNTIMES:
        ours = results.get(name, runtime, key)
        parts.append(f"{ours / base:.2f}" if ours is not None and base and base > 0.01 else "")
    return [peer or "", *parts]


def table(results, which):
    """All servers: the lowest CPU, or the median of the figure of merit; the best peer is bold."""
    lines = []
    for group in GROUPS:
        names = [name for name in results.rows if results.table[name].group == group.name]
        if not names:
            continue
        servers = columns(results, names)
        lines += [f"**{group.title}**", "",
                  "| row | unit | " + " | ".join(servers) + " | best peer | threads / best | smol / best |",
                  "| --- |" + " --- |" * (len(servers) + 4)]
        for name in names:
            row = results.table[name]
            key = row.cpu if which == "cpu" else row.metric
            low = which == "cpu" or row.low
            compared = ratios(results, name, key, low)
            cells = [cell(results, name, server, key) for server in servers]
            cells = [f"**{text}**" if server == compared[0] else text for server, text in zip(servers, cells)]
            unit = CPU_UNITS[row.cpu] if which == "cpu" else row.unit
            lines.append(f"| {name} | {unit} | " + " | ".join(cells + compared) + " |")
        lines.append("")
    return "\n".join(lines).rstrip()


# What the further keys of rows mean; keys that targets only are judged by stand in their table.
DETAILS = {
    "growth_mib": "growth of the peak, MiB",
    "peak_mib": "peak memory, MiB",
    "first_byte_p50_us": "to the first byte, µs",
    "bystander_p50_us": "another session's NOOP, median, µs",
    "bystander_p99_us": "another session's NOOP, p99, µs",
    "bystander_max_us": "another session's NOOP, maximum, µs",
    "tls_resumed": "handshakes resumed",
    "tls_full": "handshakes in full",
    "growth_ratio": "last quarter to the first",
    "opened": "sessions opened",
    "open_secs": "seconds for that",
    "tasks_per_session": "threads and processes of a session",
    "descriptors_per_session": "descriptors of a session",
    "fresh_ratio": "NOOP p99 of a new session, to that alone",
    "asked": "sessions asked whether they still answer",
    "alive": "of those that did",
    "hash_min_us": "one login alone, µs",
    "quiet_ops_per_s": "downloads/s without logins",
    "busy_ops_per_s": "downloads/s beside them",
    "login_share": "what logins took of the machine",
    "lost_beyond_share": "what downloads lost beyond it",
}


def details(results):
    """The further figures of rows that have some."""
    names = [name for name in results.rows if results.table[name].keys]
    servers = columns(results, names)
    lines = ["| row | what | " + " | ".join(servers) + " |", "| --- | --- |" + " --- |" * len(servers)]
    for name in names:
        for key, what in DETAILS.items():
            if key not in results.table[name].keys or key == results.table[name].metric:
                continue
            values = [results.get(name, server, key, even_bad=True) for server in servers]
            if any(value is not None for value in values):
                cells = ["" if value is None else number(value) for value in values]
                lines.append(f"| {name} | {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def times(results):
    """Median and 99th percentile."""
    names = [name for name in results.rows
             if results.table[name].group in ("commands", "small", "tls", "ports") and name != "pipe32"]
    servers = columns(results, names)
    lines = ["| row | " + " | ".join(servers) + " |", "| --- |" + " --- |" * len(servers)]
    for name in names:
        cells = []
        for server in servers:
            found = results.rows[name].get(server, {})
            middle, high = found.get("p50_us"), found.get("p99_us")
            cells.append(f"{number(middle)} / {number(high)}" if middle is not None else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def others(results):
    """Floors of another structure, as ratios to the limit."""
    floors = [entry.name for entry in TABLE if entry.kind == "other" or entry.name == "limit-epoll"]
    names = [name for name in results.rows if any(floor in results.rows[name] for floor in floors)
             and results.cpu(name, "limit") and results.table[name].group != "idle"]
    lines = ["| row | " + " | ".join(floors) + " |", "| --- |" + " --- |" * len(floors)]
    for name in names:
        limit = results.cpu(name, "limit")
        values = [results.cpu(name, floor) for floor in floors]
        lines.append(f"| {name} | " + " | ".join(f"{value / limit:.2f}" if value else "" for value in values) + " |")
    return "\n".join(lines)


def system_calls(results):
    counted = results.kept["system_calls"]
    if not counted:
        return "They were not counted in this run; `benches/peers/run --system-calls` does."
    servers = [entry.name for entry in TABLE if any(entry.name in row for row in counted.values())]
    lines = ["| row | " + " | ".join(servers) + " |", "| --- |" + " --- |" * len(servers)]
    for name, row in counted.items():
        lines.append(f"| {name} | " + " | ".join(number(row[s]) if s in row else "" for s in servers) + " |")
    return "\n".join(lines)


def troubles(results):
    """What failed, with the first message."""
    lines = []
    for name, servers in results.rows.items():
        for server, found in servers.items():
            if found["errors"]:
                said = found.get("error", "").replace("|", "\\|").replace("`", "'")
                lines.append(f"- {name}, {server}: {found['errors']:,} of {found['operations']:,} failed: `{said}`")
    return "\n".join(lines) or "Nothing."


def complaints(verdicts):
    """For the terminal: targets that are missed and not explained, as keys of reasons.toml."""
    return [f"{verdict.target.named()!r} of [{verdict.runtime}]: "
            f"{'not measured' if verdict.measured is None else f'{verdict.measured:.2f}'}, wanted {meaning(verdict)}"
            for verdict in unexplained(verdicts)]


def ours_only(results):
    """A table for the terminal: what a partial run found."""
    lines = []
    for name, servers in results.rows.items():
        row = results.table[name]
        limit = results.cpu(name, "limit")
        for server, found in servers.items():
            cpu = found.get(row.cpu)
            ratio = f"{cpu / limit:6.2f} x limit" if cpu and limit else " " * 14
            lines.append(f"{name:11} {server:15} {KINDS[server]:6} cpu {number(cpu):>10} {CPU_UNITS[row.cpu]:6} {ratio} "
                         f" {number(found.get(row.metric)):>10} {row.unit:12} errors {found['errors']}")
    return "\n".join(lines)
