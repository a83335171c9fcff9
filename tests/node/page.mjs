// Uses the page of examples/browser in Chromium as a person would: node page.mjs PAGE BROKER CHROMIUM
// [CHROMIUM ARGUMENTS].
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const PATIENCE_MS = 20_000;
const [page_url, broker, executablePath, ...args] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...args] });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  const query = broker === "-" ? "" : `?broker=${encodeURIComponent(broker)}`;
  await page.goto(`${page_url}${query}`);
  await page.locator("#state", { hasText: /^connected$/ }).waitFor();
  console.log("connected");

  const lines = page.locator("#messages li");
  await page.fill("[name=filter]", "page/+");
  await page.click("#subscribe button");
  await lines.filter({ hasText: "subscribed to page/+" }).waitFor();
  await page.fill("[name=topic]", "page/one");
  await page.fill("[name=payload]", "größer <b>than</b> 1");
  await page.click("#publish button");
  await lines.filter({ hasText: "page/one: größer <b>than</b> 1" }).waitFor();
  console.log("published and received");

  assert.deepEqual(faults, []);
} finally {
  await browser.close();
}
