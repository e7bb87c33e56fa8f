"""What the pages of the built book weigh, and what Lighthouse says of two of them.

    python benchmarks/page.py               the book that was built last; a few minutes
    python benchmarks/page.py --only weight         without Lighthouse, which npx fetches

Needs Chromium. The book is served compressed, as hosts do, and each page is opened with an empty cache, scrolled to its
end, and not clicked on. Writes ``page.md``.
"""

import argparse
import functools
import gzip
import json
import os
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import machine
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from conftest import browser_here, last_built  # noqa: E402

LIGHTHOUSE = "lighthouse@13.5.0"
COMPRESSED = {".html", ".css", ".js", ".json", ".svg"}
LIMITS = {"book/index.html": 500}  # kB; 900 for the others
STOPS = """[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
    .filter(one => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true })).length"""


@functools.cache
def body_of(path: str) -> bytes:
    body = Path(path).read_bytes()
    return gzip.compress(body) if Path(path).suffix in COMPRESSED else body


class Host(SimpleHTTPRequestHandler):
    """Serves files compressed, and counts what it sends."""

    protocol_version = "HTTP/1.1"
    sent = 0

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        body = body_of(str(path))
        Host.sent += len(body)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600")
        if path.suffix in COMPRESSED:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def weigh(browser, host: str, path: str) -> dict:
    """Open a page, scroll to its end, and say what that took."""
    window = browser.new_context(viewport={"width": 1280, "height": 800})
    page, said = window.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    Host.sent = 0
    page.goto(f"{host}/{path}", wait_until="networkidle")
    stops = page.evaluate(STOPS)
    page.evaluate("""async () => {
        for (let y = 0; y < document.documentElement.scrollHeight; y += 700) {
            scrollTo(0, y);
            await new Promise(next => setTimeout(next, 60));
        }
    }""")
    page.wait_for_load_state("networkidle")
    page.wait_for_function("!document.querySelector('mjx-lazy')")
    found = {"kB": round(Host.sent / 1000), "elements": page.evaluate("document.querySelectorAll('*').length"),
             "tab stops": stops, "console": len(said)}  # fmt: skip
    window.close()
    return found


def judge(chromium: str, address: str) -> dict:
    """Lighthouse's scores of a page, on a phone that it imitates."""
    command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json", "--output-path=stdout",
               "--only-categories=performance,accessibility",
               "--chrome-flags=--headless=new --no-sandbox --disable-gpu"]  # fmt: skip
    done = subprocess.run(command, env=os.environ | {"CHROME_PATH": chromium}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"Lighthouse failed on {address}:\n{done.stderr}")
    report = json.loads(done.stdout)
    scores = {name: round(100 * one["score"]) for name, one in report["categories"].items()}
    shown = {"first-contentful-paint": "first paint", "largest-contentful-paint": "largest paint",
             "total-blocking-time": "blocked", "cumulative-layout-shift": "shift"}  # fmt: skip
    missed = [one["title"] for one in report["audits"].values() if one.get("score") == 0 and
              one["id"] in {ref["id"] for ref in report["categories"]["accessibility"]["auditRefs"]}]  # fmt: skip
    if missed:
        print(f"{address}: {'; '.join(missed)}")
    return scores | {name: report["audits"][key]["displayValue"] for key, name in shown.items()}


def table(first: str, rows: dict[str, dict]) -> list[str]:
    columns = list(next(iter(rows.values())))
    lines = [f"| {first} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    return lines + [f"| {name} | {' | '.join(f'{row[key]}' for key in columns)} |" for name, row in rows.items()]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("book", nargs="?", type=Path, default=last_built(), help="the folder of the built book")
    asked.add_argument("--only", choices=["weight"])
    asked = asked.parse_args()
    chromium = browser_here()
    if not chromium or not asked.book:
        raise SystemExit("This needs Chromium and a built book: `make book`.")
    pages = [path.relative_to(asked.book).as_posix() for one in ("book", "notebooks", ".")
             for path in sorted((asked.book / one).glob("*.html"))]  # fmt: skip
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Host, directory=asked.book)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            weights = {path: weigh(browser, host, path) for path in pages}
            version = browser.version
            browser.close()
        heaviest = max((path for path in pages if "notebooks/" in path), key=lambda path: weights[path]["kB"])
        judged = {} if asked.only else {path: judge(chromium, f"{host}/{path}") for path in (*LIMITS, heaviest)}
        server.shutdown()
    measured = f"By `python benchmarks/page.py`. Chromium {version}; {machine.describe()}."
    wanted = "Sent before a click, gzip, empty cache, scrolled to the end; at most 900 kB, the landing page 500."
    lines = ["# What a page weighs", "", measured, "", wanted, "", *table("page", weights)]
    if judged:
        wanted = f"{LIGHTHOUSE}, a phone on a slow line; wanted: performance 85, accessibility 100."
        lines += ["", wanted, "", *table("page", judged)]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", "utf-8")
    heavy = [path for path, row in weights.items() if row["kB"] > LIMITS.get(path, 900)]
    print("\n".join(lines), f"\nToo heavy: {', '.join(heavy)}" if heavy else "")


if __name__ == "__main__":
    main()
