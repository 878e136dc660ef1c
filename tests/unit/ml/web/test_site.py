"""The pages over a real store, asked as a browser asks: what is shown, what is refused, what the headers say."""

import asyncio
import math
import re
from html.parser import HTMLParser

import pytest

from teul.ml.record import IMAGE_TAG
from teul.ml.tracking import TrackingStore, aliases, keys, registry, tokens
from teul.ml.tracking.app import TrackingApp
from teul.ml.tracking.values import Metric
from teul.ml.web import words
from teul.ml.web.pages import models, parallel
from teul.ml.web.site import language_of

IMAGE = "sha256:" + "ab" * 32
HOSTILE = "<script>alert(1)</script>"


class Outline(HTMLParser):
    """Checks that what is opened is closed, and collects links and texts."""

    VOID = ("meta", "link", "input", "img", "br")

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.links, self.text, self.tags = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src", "action")]

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


class Browser:
    def __init__(self, app):
        self.app = app

    def __call__(self, path, *, method="GET", body=b"", server="127.0.0.1", **headers):
        path, _, query = path.partition("?")
        from urllib.parse import unquote

        headers = {"host": "localhost", "accept": "text/html", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "server": (server, 80),
            "client": ("127.0.0.1", 1),
        }
        sent = []

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message):
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        self.status = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in sent[1:])
        return self.body.decode(errors="replace")

    def page(self, path, status=200, **headers):
        text = self(path, **headers)
        assert self.status == status, text
        outline = Outline()
        outline.feed(text)
        assert outline.open == []
        assert not any(value.startswith(("http:", "https:", "//")) for value in outline.links)
        return " ".join(" ".join(outline.text).split()), outline


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def store(request, tmp_path):
    is_file = request.param == "sqlite"
    location = str(tmp_path / "tracking.db") if is_file else request.getfixturevalue("postgres").emptied()
    with TrackingStore.open(location, artifacts_root=str(tmp_path / "artifacts")) as store:
        yield store


@pytest.fixture
def browser(store):
    app = TrackingApp(store)
    return Browser(app)


@pytest.fixture
def runs(store):
    experiment = store.create_experiment(f"이탈 {HOSTILE}", tags={"mlflow.note.content": HOSTILE})
    made = []
    for number in range(3):
        run = store.create_run(
            experiment, run_name=f"train {number}", user_id="지원", tags={IMAGE_TAG: IMAGE, "who": HOSTILE}
        )
        points = [Metric("loss", 1 / (step + number + 1), 1000 + step, step) for step in range(5)]
        points += [Metric("auc", 0.5 + number / 10, 1000, 0), Metric("odd", float("nan"), 1, 0)]
        store.log_batch(run.id, points=points, params={"depth": str(number), "odd name": HOSTILE, "alike": "1"})
        store.end_run(run.id)
        made.append(run.id)
    store.log_artifact(made[0], "모델/notes.txt", "안녕 <b>".encode())
    store.log_artifact(made[0], "table.csv", b"a,b\n1,2\n")
    store.log_artifact(made[0], "evil.html", HOSTILE.encode())
    store.log_artifact(made[0], "plot.png", b"\x89PNG\r\n")
    store.log_artifact(made[0], "bytes.bin", bytes(range(256)))
    return made


def test_a_browser_at_the_root_is_sent_to_the_pages_and_a_client_is_not(browser):
    browser("/")
    assert (browser.status, browser.headers["location"]) == (303, "/ui")
    assert "MLFLOW_TRACKING_URI" in browser("/", accept="*/*")


def test_every_page_holds_together_in_both_languages_and_loads_nothing_from_elsewhere(browser, store, runs):
    registry.create_model(store.db, "이탈 모델", description=HOSTILE)
    registry.create_version(store.db, "이탈 모델", source=f"runs:/{runs[0]}/model", run_id=runs[0])
    aliases.set_alias(store.db, "이탈 모델", "production", 1, who=HOSTILE, reason=HOSTILE)
    seen, pending = set(), ["/ui"]
    while pending:
        path = pending.pop()
        if path in seen or ("?" in path and len(seen) > 150):
            continue
        seen.add(path)
        browser(path)
        assert browser.status in (200, 404), path
        if not browser.headers["content-type"].startswith("text/html"):
            continue
        text, outline = browser.page(path, browser.status)
        assert "script" not in [tag for tag, attributes in outline.tags if not attributes.get("src")]
        assert "None" not in text.split()
        pending += [link for link in outline.links if link.startswith("/ui") and "lang=" not in link]
        browser.page(path, browser.status, accept_language="ko")
    assert len(seen) > 30


def test_runs_are_filtered_sorted_and_paged_by_the_store(browser, store, runs):
    text, _ = browser.page("/ui/experiments/1?sort=metrics.auc")
    assert [text.index(f"train {number}") for number in range(3)] == sorted(
        text.index(f"train {number}") for number in range(3)
    )
    text, _ = browser.page("/ui/experiments/1?q=metrics.auc+%3E+0.65")
    assert "train 2" in text
    assert "train 1" not in text
    text, outline = browser.page("/ui/experiments/1?q=metrics.auc+%3E")
    assert any(attributes.get("role") == "alert" for _, attributes in outline.tags)
    for number in range(150):
        store.create_run("1", run_name=f"later {number}", start_time=2_000_000_000_000 + number)
    text, outline = browser.page("/ui/experiments/1?page=2")
    assert "later 49" in text
    assert "later 50" not in text
    assert "/ui/experiments/1?page=1" in outline.links


def test_experiments_say_how_much_ran_in_them(browser, store, runs):
    store.end_run(store.create_run("1").id, "FAILED")
    store.create_run("1")
    store.delete_run(store.create_run("1").id)
    empty = store.create_experiment("빈 것 100%_")

    _, outline = browser.page("/ui")
    assert outline.links.index("/ui/experiments/1") < outline.links.index(f"/ui/experiments/{empty}")
    assert re.search(r"<td[^>]*>5</td><td[^>]*>1</td><td[^>]*>1</td>", browser("/ui"))
    assert "이탈" not in browser.page("/ui?q=%EB%B9%88")[0]
    assert "빈 것" in browser.page("/ui?q=100%25_")[0]
    assert "Nothing here." in browser.page("/ui?q=1_0")[0]
    store.delete_experiment(empty)
    assert "빈 것" not in browser.page("/ui")[0]
    assert "빈 것" in browser.page("/ui?deleted=1")[0]


def test_a_run_names_the_versions_that_came_from_it_but_not_deleted_ones(browser, store, runs):
    for name in ("b", "a", "a"):
        store.ensure_registered_model(name)
        store.create_model_version(name, f"runs:/{runs[0]}/model", run_id=runs[0])
    store.delete_model_version("a", 1, who="me")

    _, outline = browser.page(f"/ui/runs/{runs[0]}")
    assert [link for link in outline.links if "/versions/" in link] == [
        "/ui/models/a/versions/2",
        "/ui/models/b/versions/1",
    ]


def test_a_comparison_shows_what_differs_first(browser, runs):
    text, _ = browser.page(f"/ui/compare?run={runs[0]}&run={runs[1]}")
    assert "depth" in text
    assert "alike" not in text
    assert "alike" in browser.page(f"/ui/compare?run={runs[0]}&run={runs[1]}&all=1")[0]
    assert "<svg" in browser(f"/ui/compare?run={runs[0]}&run={runs[1]}")


def test_each_line_through_several_axes_has_its_name_beside_its_colour(store):
    made = []
    for number in range(6):
        run = store.create_run("0", run_name=f"<{number}> " + "이름" * 20)
        store.log_params(run.id, {"a": str(number), "b": str(-number)})
        made.append(store.get_run(run.id))
    picture = str(parallel.draw(made, {run.id: run.name for run in made}, "t"))

    for number, run in enumerate(made):
        colour = re.search(rf'stroke="(#\w+)"[^>]*><title>&lt;{number}&gt;', picture)[1]
        assert re.search(rf'fill="{colour}"/><text[^>]*>&lt;{number}&gt; [이름]+…</text>', picture), run.name
    _, height = re.search(r'viewBox="0 0 (\d+) (\d+)"', picture).groups()
    assert max(float(y) for y in re.findall(r'<text x="[^"]*" y="([^"]*)"', picture)) < int(height)


def test_what_was_in_production_by_the_stage_is_answered_too(store):
    store.create_registered_model("m")
    for _ in range(2):
        store.create_model_version("m", "s3://x")
    registry.transition_stage(store.db, "m", 1, "Production", who="kim")
    assert models.in_production(store.alias_history("m"), math.inf) == 1
    store.set_alias("m", "production", 2, who="kim")

    assert models.in_production(store.alias_history("m"), math.inf) == 2
    assert models.in_production(store.alias_history("m"), 0) is None


def test_files_are_shown_as_text_and_handed_out_so_that_nothing_of_them_runs(browser, runs):
    text, _ = browser.page(f"/ui/runs/{runs[0]}/file?path=evil.html")
    assert HOSTILE in text
    assert browser(f"/ui/runs/{runs[0]}/raw/evil.html") == HOSTILE
    assert browser.headers["content-type"] == "application/octet-stream"
    assert browser.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in browser.headers["content-security-policy"]
    assert browser.headers["x-content-type-options"] == "nosniff"
    assert browser(f"/ui/runs/{runs[0]}/raw/모델/notes.txt") == "안녕 <b>"
    assert (
        "안녕" in browser.page(f"/ui/runs/{runs[0]}/file?path=모델/notes.txt".replace("모델", "%EB%AA%A8%EB%8D%B8"))[0]
    )
    browser(f"/ui/runs/{runs[0]}/raw/plot.png")
    assert browser.headers["content-type"] == "image/png"
    for path in ("../../x", "%2e%2e/x", "nothing.txt", ""):
        browser(f"/ui/runs/{runs[0]}/raw/{path}")
        assert browser.status in (400, 404), path


def test_what_a_page_may_do_is_said(browser, runs):
    browser("/ui")
    policy = browser.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert browser.headers["x-frame-options"] == "DENY"
    for method in ("PUT", "DELETE", "POST"):
        browser("/ui/experiments/1", method=method)
        assert browser.status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/ui/nowhere",
        "/ui/runs/" + "0" * 32,
        "/ui/experiments/99",
        "/ui/experiments/x",
        "/ui/models/none",
        "/ui/models/none/versions/1",
        "/ui/images/sha256:00",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(browser, path):
    browser.page(path, browser.status if browser(path) and browser.status in (400, 404) else 404)


def test_a_token_is_asked_for_where_one_is_needed_and_let_nobody_write(browser, store, runs):
    _, outline = browser.page("/ui", 401, server="10.0.0.1")
    assert any(tag == "input" and attributes.get("type") == "password" for tag, attributes in outline.tags)
    browser("/ui/sign-in", method="POST", body=b"token=wrong", server="10.0.0.1")
    assert browser.status == 401
    token = tokens.issue(store.db, store.create_run("1", run_name="open").id)
    browser("/ui/sign-in", method="POST", body=f"token={token}".encode(), server="10.0.0.1")
    assert browser.status == 303
    cookie = browser.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    browser.page("/ui", server="10.0.0.1", cookie=cookie.split(";")[0])
    browser(
        "/api/2.0/mlflow/runs/search",
        method="POST",
        body=b"{}",
        server="10.0.0.1",
        cookie=cookie.split(";")[0],
        content_type="application/json",
    )
    assert browser.status == 401


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("en,ko", "en"),
        ("fr, ko;q=0.1", "ko"),
        ("ko;q=0, en", "en"),
        (";;q=x,ko;q=y", "en"),
    ],
)
def test_the_language_that_the_browser_prefers(accepted, language):
    assert language_of({}, {}, accepted) == language
    assert language_of({"lang": ["ko"]}, {"teul_lang": "en"}, accepted) == "ko"
    assert language_of({"lang": ["xx"]}, {"teul_lang": "ko"}, accepted) == "ko"


def test_every_word_of_the_pages_speaks_korean():
    import pathlib

    folder = pathlib.Path(words.__file__).parent
    used = set()
    for path in folder.rglob("*.py"):
        used |= set(re.findall(r"\bt\(\s*\"([^\"]+)\"", path.read_text()))
    assert len(used) > 60
    assert used - words.KOREAN.keys() == set()


def test_a_token_for_one_project_sees_nothing_of_the_others(browser, store, runs):
    store.create_experiment("mine")
    own = store.create_run("2", run_name="own", tags={IMAGE_TAG: IMAGE})
    registry.create_model(store.db, "theirs")
    registry.create_version(store.db, "theirs", source=f"runs:/{runs[0]}/model", run_id=runs[0])
    token, _ = keys.issue(store.db, "지원", role="read", project="mine", ttl_s=60, who="me")
    headers = {"server": "10.0.0.1", "cookie": f"teul_token={token}"}
    text, _ = browser.page("/ui", **headers)
    assert "mine" in text
    assert "이탈" not in text
    assert "theirs" not in browser.page("/ui/models", **headers)[0]
    image, _ = browser.page(f"/ui/images/{IMAGE}", **headers)
    assert "own" in image
    assert "train" not in image
    browser.page(f"/ui/runs/{own.id}", **headers)
    for path in (
        "experiments/1",
        f"runs/{runs[0]}",
        f"runs/{runs[0]}/file?path=table.csv",
        f"compare?run={own.id}&run={runs[0]}",
        "models/theirs",
        "models/theirs/versions/1",
    ):
        browser.page(f"/ui/{path}", 403, **headers)
    browser(f"/ui/runs/{runs[0]}/raw/table.csv", **headers)
    assert browser.status == 403
