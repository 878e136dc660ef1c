// Makes the pages handier; they work without it.
"use strict";
(() => {
  // MLflow's client prints addresses of MLflow's own pages: "#/experiments/1/runs/…".
  const meant = location.hash.match(/^#\/experiments\/(\d+)(?:\/runs\/([0-9a-f]{32}))?$/);
  if (meant) return location.replace(meant[2] ? `/ui/runs/${meant[2]}` : `/ui/experiments/${meant[1]}`);

  const local = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = local.format(new Date(time.dateTime));
  }

  const list = document.querySelector("form.list");
  const boxes = list ? [...list.querySelectorAll("input[name=run]")] : [];
  if (list) {
    const button = list.querySelector("button.compare");
    const hint = list.querySelector(".hint");
    const all = list.querySelector("input.all");
    const show = () => {
      const count = boxes.filter((box) => box.checked).length;
      button.disabled = count < 2;
      hint.hidden = count >= 2;
      for (const box of boxes) box.closest("tr").classList.toggle("chosen", box.checked);
    };
    all.hidden = false;
    all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; show(); });
    list.addEventListener("change", show);
    addEventListener("pageshow", show);
    show();
  }

  const rows = [...document.querySelectorAll("table.rows tbody tr")];
  let at = -1;
  const move = (step) => {
    if (!rows.length) return;
    if (at >= 0) rows[at].classList.remove("at");
    at = Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[at].classList.add("at");
    const first = rows[at].querySelector("a");
    if (first) first.focus({ preventScroll: true });
    rows[at].scrollIntoView({ block: "nearest" });
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const search = document.querySelector("input[type=search]");
    if (event.key === "/" && search) { event.preventDefault(); search.focus(); search.select(); }
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "x" && at >= 0) { const box = rows[at].querySelector("input[name=run]"); if (box) box.click(); }
  });
})();
