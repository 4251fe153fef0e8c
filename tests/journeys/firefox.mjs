/**
 * Drives one headless Firefox by WebDriver BiDi for firefox.py: a JSON command a line in, a JSON reply a line out.
 * Knows how to do, and nothing of what the pages mean. Ends with its input.
 */

import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const { executable, preferences, width, height, timeoutMs } = JSON.parse(process.argv[2]);
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: executable,
  headless: true,
  extraPrefsFirefox: preferences,
  defaultViewport: { width, height },
});
const page = (await browser.pages())[0] ?? (await browser.newPage());
page.setDefaultTimeout(timeoutMs);
const problems = [];
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
page.on("pageerror", (error) => problems.push(String(error)));

/** In the page: the visible button or checkbox that is called so. The accessibility tree takes 15 s while pages draw. */
function named(role, name) {
  const called = (element) =>
    (element.labels?.[0] ?? element).innerText.replace(/\s+/g, " ").replace(/ \*$/, "").trim() === name;
  const all = document.querySelectorAll(role === "checkbox" ? "input[type=checkbox]" : role);
  return [...all].find((element) => element.checkVisibility() && called(element)) ?? null;
}

/** Clicks what has this role and name, as soon as it is there and enabled. */
async function press({ role, name }) {
  const until = Date.now() + timeoutMs;
  for (let why = "is not there"; ; await new Promise((done) => setTimeout(done, 50))) {
    try {
      const found = (await page.evaluateHandle(named, role, name)).asElement();
      if (found && !(await found.evaluate((element) => element.disabled))) return await found.click();
      why = found ? "is disabled" : "is not there";
    } catch (error) {
      why = `was lost: ${error}`; // with the page before this one, or with what was drawn before
    }
    if (Date.now() > until) {
      const others = await page.$$eval("button", (all) => all.map((one) => one.innerText).filter(Boolean));
      throw new Error(`${role} "${name}" ${why}; there are ${others.join(", ")}`);
    }
  }
}

const commands = {
  before: ({ script }) => page.evaluateOnNewDocument(script).then(() => null),
  open: ({ url }) => page.goto(url, { waitUntil: "load" }).then(() => null),
  press,
  evaluate: ({ script, given }) => page.evaluate(`(${script})(${JSON.stringify(given)})`),
  resize: ({ width, height }) => page.setViewport({ width, height }),
  picture: ({ path }) => page.screenshot({ path, fullPage: true }).then(() => null),
  url: () => page.url(),
  problems: () => problems,
  version: () => browser.version(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  let reply;
  try {
    reply = { result: (await commands[command](given)) ?? null };
  } catch (error) {
    reply = { error: String(error) };
  }
  console.log(JSON.stringify(reply));
}
await browser.close();
