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

const named = (role, name) => page.locator(`::-p-aria([role="${role}"][name="${name}"])`);

const commands = {
  before: ({ script }) => page.evaluateOnNewDocument(script).then(() => null),
  open: ({ url }) => page.goto(url, { waitUntil: "load" }).then(() => null),
  reload: () => page.reload({ waitUntil: "load" }).then(() => null),
  press: ({ role, name }) => named(role, name).click(),
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
