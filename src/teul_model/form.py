"""One page to try the model in a browser, in English or Korean. No IO; the page asks the server for the rest."""

from __future__ import annotations

import html
import json

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>__TITLE__</title>
<style>
 :root{color-scheme:light dark;--line:#8884;--mark:#c8702a}
 body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}
 h1{font-size:1.3rem;margin-bottom:0}p.sub{margin-top:.2rem;opacity:.7}
 label{display:grid;grid-template-columns:1fr 1fr;gap:1rem;align-items:center;padding:.35rem 0;border-bottom:1px solid var(--line)}
 label small{opacity:.6}input,select,textarea{font:inherit;padding:.3rem .5rem;width:100%;box-sizing:border-box}
 textarea{min-height:8rem;font-family:ui-monospace,monospace}
 button{font:inherit;margin:1rem 0;padding:.5rem 1.5rem;border:0;border-radius:.4rem;background:var(--mark);color:#fff;cursor:pointer}
 pre{padding:1rem;border:1px solid var(--line);border-radius:.4rem;overflow:auto;min-height:1.5rem;white-space:pre-wrap}
 pre.bad{border-color:#c33}
</style></head><body>
<h1>__TITLE__</h1><p class="sub" id="sub"></p>
<form id="form"></form><pre id="answer" aria-live="polite"></pre>
<script>
const model = __MODEL__;
const words = navigator.language.startsWith("ko")
  ? {sub: "값을 넣고 예측해 보세요.", go: "예측", rows: "행 (JSON 목록)", wait: "예측하는 중…", gone: "서버가 응답하지 않습니다", none: "(없음)"}
  : {sub: "Fill in the values and predict.", go: "Predict", rows: "rows (a JSON list)", wait: "predicting…", gone: "the server does not answer", none: "(none)"};
document.documentElement.lang = navigator.language.startsWith("ko") ? "ko" : "en";
const form = document.getElementById("form"), answer = document.getElementById("answer");
document.getElementById("sub").textContent = words.sub;
let inputs = [];
function field(input, example) {
  const label = document.createElement("label"), name = document.createElement("span");
  name.textContent = input.name;
  const kind = document.createElement("small");
  kind.textContent = " " + input.datatype.toLowerCase();
  name.append(kind);
  let box;
  if (input.datatype === "BOOL") {
    box = document.createElement("select");
    for (const value of [...(input.optional ? [""] : []), "true", "false"]) box.add(new Option(value || words.none, value));
  } else {
    box = document.createElement("input");
    if (/INT|FP/.test(input.datatype)) { box.type = "number"; box.step = input.datatype.startsWith("FP") ? "any" : 1; }
  }
  box.name = input.name;
  box.required = !input.optional && input.datatype !== "BYTES";
  const given = example && example[input.name];
  if (given !== undefined && given !== null) box.value = String(given);
  label.append(name, box);
  return label;
}
function read(input) {
  const text = form.elements.namedItem(input.name).value;
  if (text === "" && (input.optional || input.datatype !== "BYTES")) return null;
  if (input.datatype === "BOOL") return text === "true";
  return /INT|FP/.test(input.datatype) ? Number(text) : text;
}
async function start() {
  const about = await (await fetch("/v2/models/" + encodeURIComponent(model))).json();
  inputs = about.inputs || [];
  const example = about.parameters && about.parameters.example;
  if (inputs.length) for (const input of inputs) form.append(field(input, example));
  else {
    const box = document.createElement("textarea");
    box.name = "rows"; box.setAttribute("aria-label", words.rows);
    box.value = JSON.stringify(example ? [example] : [[]], null, 1);
    form.append(box);
  }
  const go = document.createElement("button");
  go.textContent = words.go;
  form.append(go);
}
form.addEventListener("submit", async event => {
  event.preventDefault();
  answer.className = ""; answer.textContent = words.wait;
  try {
    const body = inputs.length
      ? {dataframe_records: [Object.fromEntries(inputs.map(input => [input.name, read(input)]))]}
      : {instances: JSON.parse(form.elements.rows.value)};
    const reply = await fetch("/invocations", {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)});
    const value = await reply.json();
    answer.className = reply.ok ? "" : "bad";
    answer.textContent = reply.ok ? JSON.stringify(value.predictions, null, 2) : value.message || value.error;
  } catch (error) { answer.className = "bad"; answer.textContent = error instanceof SyntaxError ? String(error) : words.gone; }
});
start().catch(() => { answer.className = "bad"; answer.textContent = words.gone; });
</script></body></html>
"""


def page(model: str, version: str) -> str:
    """The page for *model*."""
    title = html.escape(f"{model} {version}".strip())
    word = json.dumps(model).replace("<", "\\u003c")
    return PAGE.replace("__TITLE__", title).replace("__MODEL__", word)
