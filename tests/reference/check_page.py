"""Does the page of `petrec report` work in a browser? Loads it in headless Chromium from disk, in light and in dark, moves the
pointer and the filter, asks axe-core, and exits 1 with what is wrong.

    python check_page.py OUT/report.html [--screenshots DIR] [--chromium /usr/bin/chromium]

A page of a conversion with rejected files has everything that is looked at; that of examples/photos is one.
"""

import argparse
import base64
import pathlib
import re
import shutil
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

# The browser asks for nothing by itself: whatever request there is comes from the page.
FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}

problems = []


def check(holds, what):
    if not holds:
        problems.append(what)


def is_blank(page):
    """Whether all pixels of a screenshot are the same; the browser itself decodes it."""
    source = "data:image/png;base64," + base64.b64encode(page.screenshot()).decode()
    helper = page.context.new_page()
    colours = helper.evaluate("""async (source) => {
        const image = new Image(); image.src = source; await image.decode();
        const canvas = new OffscreenCanvas(image.width, image.height), draw = canvas.getContext("2d");
        draw.drawImage(image, 0, 0);
        return new Set(new Uint32Array(draw.getImageData(0, 0, image.width, image.height).data.buffer)).size;
    }""", source)
    helper.close()
    return colours < 50


def check_filter(page):
    items = page.locator("#rejected-files > li")
    every = items.count()
    visible = lambda: page.locator("#rejected-files > li:visible").count()
    check(visible() == every, "files are hidden before anything was filtered")
    reason = items.first.get_attribute("data-reason")
    of_reason = page.locator(f'#rejected-files > li[data-reason="{reason}"]').count()
    page.select_option("#reason", reason)
    check(visible() == of_reason, f"reason {reason}: {visible()} files are shown, and {of_reason} have it")
    check(page.inner_text("#shown") == f"{of_reason} of {every} shown", f"the count says '{page.inner_text('#shown')}'")
    page.fill("#path", "no such path")
    check(visible() == 0, "a path that no file has leaves files visible")
    page.select_option("#reason", "")
    page.fill("#path", items.last.locator("code").inner_text().upper())
    check(visible() >= 1 and items.last.is_visible(), "a file is not found by its path")
    page.fill("#path", "")
    check(visible() == every, "without a filter not all files are shown")


def check_map(page):
    points = page.evaluate("JSON.parse(document.getElementById('data').textContent).points")
    where = lambda: page.inner_text("#where")
    plot = page.locator("#plot")
    plot.scroll_into_view_if_needed()

    def at(point):
        """Where a point is on the screen."""
        return page.evaluate("""({ x, y }) => {
            const place = new DOMPoint(x, y).matrixTransform(document.querySelector("#plot svg").getScreenCTM());
            return [place.x, place.y];
        }""", point)

    apart = [p for p in points if all(p is q or abs(p["x"] - q["x"]) + abs(p["y"] - q["y"]) > 1 for q in points)]
    check(apart, "there is no point by itself")
    for point in apart[:3]:
        page.mouse.move(*at(point))
        check(where() == point["p"], f"the pointer is on {point['p']}, and the page shows '{where()}'")
        shows = page.locator("#picture img").count() == 1 and page.evaluate("""async () => {
            const image = document.querySelector("#picture img"); await image.decode(); return image.naturalWidth > 0;
        }""")
        check(bool(shows) == (point["t"] is not None), f"{point['p']}: thumbnail {'missing' if point['t'] else 'from nowhere'}")
    page.mouse.click(*at(apart[0]))
    check("Held" in page.inner_text("#held"), "a click does not hold a point")
    page.mouse.move(*at(apart[-1]))
    check(where() == apart[0]["p"], "a held point is let go by the pointer")
    plot.focus()
    page.keyboard.press("Escape")
    check(page.inner_text("#held") == "", "Escape does not let go")
    been = {where()}
    for key in ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]:
        page.keyboard.press(key)
        been.add(where())
    check(where() and (len(been) > 1 or len(points) == 1), "the arrow keys go nowhere")

    button = page.locator(".legend button").first
    button.click()
    dim = page.locator("#plot path.dim").count()
    check(button.get_attribute("aria-pressed") == "true" and dim == page.locator("#plot path").count() - 1,
          f"one class alone: {dim} of the others are dim")
    button.click()
    check(page.locator("#plot path.dim").count() == 0, "classes stay dim")


def check_page(browser, path, scheme, size, screenshots):
    context = browser.new_context(color_scheme=scheme, viewport=SIZES[size])
    page = context.new_page()
    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri(), wait_until="load")

    check(not is_blank(page), f"{scheme}, {size}: the page is blank")
    if page.locator("#filter").count():
        check_filter(page)
    if page.locator("#plot").count():
        check_map(page)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    check(wide <= 0, f"{scheme}, {size}: {wide} pixels wider than the window")
    for link in page.locator("nav a").all():
        check(page.locator(link.get_attribute("href")).count() == 1, f"the link to {link.get_attribute('href')} leads nowhere")
    if screenshots:
        page.mouse.move(0, 0)
        page.screenshot(path=screenshots / f"{scheme}-{size}.png", full_page=True)
    foreign = [url for url in requests if url != path.as_uri() and not url.startswith("data:")]
    check(not foreign, f"the page asks for {foreign}")
    context.close()

    # axe puts a script of its own into the page, which the page's policy rightly forbids.
    context = browser.new_context(color_scheme=scheme, viewport=SIZES[size], bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    axe = Axe().run(page).response
    print(f"{scheme}, {size}: axe-core {axe['testEngine']['version']}: {len(axe['passes'])} rules passed, "
          f"{len(axe['violations'])} violated, {len(axe['incomplete'])} for a person to judge"
          f"{''.join(': ' + rule['id'] for rule in axe['incomplete'])}")
    for violation in axe["violations"]:
        nodes = ", ".join(str(node["target"]) for node in violation["nodes"][:3])
        problems.append(f"{scheme}, {size}: {violation['id']}: {violation['help']} ({nodes})")
    context.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path, help="folder for a picture of each way it was shown")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    args = parser.parse_args()
    path = args.page.resolve()
    if args.screenshots:
        args.screenshots.mkdir(parents=True, exist_ok=True)

    html = path.read_text()
    links = re.findall(r"""(?:src|href|action)\s*=\s*["']?(?!#|data:)[^"'\s>]+""", re.sub(r"<script.*?</script>", "", html, flags=re.S))
    check(not links, f"references: {links[:3]}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=FLAGS, chromium_sandbox=False)
        for scheme in ["light", "dark"]:
            for size in SIZES:
                check_page(browser, path, scheme, size, args.screenshots)
        browser.close()
    for problem in dict.fromkeys(problems):
        print(f"{args.page}: {problem}", file=sys.stderr)
    print(f"{args.page}: {'works' if not problems else f'{len(problems)} problems'} in {args.chromium}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
