"""All experiments: how many runs, when the last one began."""

from __future__ import annotations

from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, heading, nothing, pager
from teul.ml.web.view import View, link

PAGE_SIZE = 100


def experiments(view: View) -> Page:
    wanted = view.one("q").strip()
    number = page_number(view)
    deleted = view.one("deleted") == "1"
    where = ["lifecycle_stage = ?"]
    values: list[object] = ["deleted" if deleted else "active"]
    if wanted:
        where.append("fold(name) LIKE fold(?) ESCAPE '\\'")
        values.append("%" + wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
    if view.grant.project:
        where.append("name = ?")
        values.append(view.grant.project)
    db = view.store.db
    with db.read():
        rows = db.all(
            f"SELECT id, name, creation_time FROM experiments WHERE {' AND '.join(where)}"
            " ORDER BY (SELECT max(start_time) FROM runs WHERE experiment = experiments.id) DESC NULLS LAST, id DESC"
            " LIMIT ? OFFSET ?",
            [*values, PAGE_SIZE + 1, (number - 1) * PAGE_SIZE],
        )
        shown: list[list[object]] = []
        for identity, name, created in rows[:PAGE_SIZE]:
            counts = db.all(
                "SELECT status, count(*), max(start_time) FROM runs WHERE experiment = ? AND lifecycle_stage = 'active'"
                " GROUP BY status",
                (identity,),
            )
            total = sum(count for _, count, _ in counts)
            last = max((at for _, _, at in counts), default=None)
            failed = sum(count for status, count, _ in counts if status in ("FAILED", "KILLED"))
            running = sum(count for status, count, _ in counts if status == "RUNNING")
            shown.append(
                [
                    link(name, "experiments", str(identity)),
                    total,
                    running or "",
                    failed or "",
                    view.ago(last),
                    view.ago(created),
                ]
            )
    heads = [view.t(words) for words in ("Experiment", "Runs", "Running", "Failed", "Last run", "Created")]
    search = e(
        "form",
        e("label", view.t("Name contains"), for_="q", class_="quiet"),
        e("input", type="search", name="q", id="q", value=wanted, autocomplete="off", spellcheck="false"),
        e("button", view.t("Filter")),
        method="get",
        class_="filter",
        role="search",
    )
    toggle = e(
        "a",
        view.t("Active experiments") if deleted else view.t("Deleted experiments"),
        href=view.again(deleted=None if deleted else "1", page=None),
        class_="quiet",
    )
    if shown:
        body: Html = view.table(heads, shown, class_="rows experiments")
    elif wanted or deleted:
        body = nothing(view.t("Nothing here."))
    else:
        body = nothing(
            view.t("No experiment yet. Train something:"),
            'import mlflow\n\nwith mlflow.start_run():\n    mlflow.log_metric("loss", 0.1)',
        )
    more = pager(view, number, len(rows) > PAGE_SIZE)
    return Page(view.t("Experiments"), e("section", heading(view.t("Experiments"), toggle), search, body, more))


def page_number(view: View) -> int:
    text = view.one("page", "1")
    return min(int(text), 1_000_000) if text.isascii() and text.isdigit() and int(text[:9]) > 0 else 1
