"""Applies the rules of axe-core, which npm installs for tests only, to a page in the browser."""

from playwright.async_api import Page

from support.missing import missing
from support.paths import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const { violations } = await axe.run();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


async def violations(page: Page) -> list[str]:
    """The violated rules, with the elements that violate them."""
    if not AXE.exists():
        missing("axe-core (npm install)")
    await page.evaluate(AXE.read_text())
    return await page.evaluate(RUN)
