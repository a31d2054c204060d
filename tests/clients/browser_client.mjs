// Handoff from a browser: a page in headless Chromium, over gRPC-web from another origin.
//
//     node tests/clients/browser_client.mjs
//
// Bundles tests/clients/browser, serves it, starts a private server that allows the page's origin, kills it in between, and runs
// the page's checks; then opens the same page from an origin that is not allowed.

import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

import { run } from "./node/checks.mjs";
import { REPOSITORY, ServerProcess } from "./node/server_process.mjs";

const INSTALLED = join(REPOSITORY, "target/clients/browser");
const require = createRequire(join(INSTALLED, "/"));
const esbuild = require("esbuild");
const { chromium } = require("playwright-core");

const NAMES = {
  the_page_may_call: "gRPC-web and CORS: the page may call, and health says SERVING",
  an_offer_arrives_is_accepted_and_the_ticket_resolved: "The whole path: session, offer on its stream, accept, pull, confirm, resolve",
  a_deadline_leaves_nothing_half_done: "Deadlines: DEADLINE_EXCEEDED in time, and a repeat under the same request id has one effect",
  errors_say_what_is_wrong: "Rich errors from the trailers: BadRequest names the field, ErrorInfo the reason",
  a_watch_that_was_cut_resumes_at_its_cursor: "A watch that the page cuts resumes at its cursor",
  every_stream_resumes_after_a_kill: "kill -9: the watch and the session go on where they were",
  a_drain_is_announced: "SIGTERM: health watch says NOT_SERVING, the watch goes away with RetryInfo",
};

async function bundle() {
  const built = await esbuild.build({
    entryPoints: [join(REPOSITORY, "tests/clients/browser/page.mjs")],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "page",
    alias: { "@stubs": join(INSTALLED, "gen") },
    nodePaths: [join(INSTALLED, "node_modules")],
    logLevel: "error",
  });
  return built.outputFiles[0].text;
}

/** The grpc-status of a call by a page that the browser let through: what DNS rebinding would make of it. */
async function forged(origin) {
  const headers = { origin, "content-type": "application/grpc-web+proto" };
  const url = `http://${server.address}/handoff.v1.DeskService/ListDesks`;
  const answer = await new Promise((resolve, reject) => {
    request(url, { method: "POST", headers }, resolve).on("error", reject).end(Buffer.alloc(5));
  });
  answer.resume();
  return answer.headers["grpc-status"];
}

/** Serves the page on a port, and so an origin, of its own. */
async function origin(html) {
  const site = createServer((_, response) => response.setHeader("content-type", "text/html").end(html()));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  return { site, url: `http://127.0.0.1:${site.address().port}` };
}

const script = await bundle();
let server;
const html = () =>
  `<!doctype html><title>Handoff</title><script>globalThis.HANDOFF = "http://${server.address}"</script><script>${script}</script>`;
const home = await origin(html);
const elsewhere = await origin(html);
server = new ServerProcess(["--allowed-origins", home.url]);
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
// The sandbox needs rights that a build machine's root does not have.
const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
let browser;
let failed = 1;
try {
  await server.start();
  browser = await chromium.launch({ executablePath, args });
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.exposeFunction("server", (what) => server[what]());
  await page.goto(home.url);
  const checks = Object.entries(NAMES).map(([check, name]) => [
    name,
    () => page.evaluate((check) => globalThis.page.checks[check](), check),
  ]);
  checks.push(["CORS: a page of another origin is refused, and nothing was done", async () => {
    const foreign = await browser.newPage();
    await foreign.goto(elsewhere.url);
    const refusal = await foreign.evaluate(() => globalThis.page.trespass());
    if (!/Failed to fetch/.test(refusal)) throw new Error(`refused otherwise: ${refusal}`);
    const made = await page.evaluate(() => globalThis.page.countOf("foreign"));
    if (made !== 0) throw new Error(`${made} tickets were made`);
    const status = await forged(elsewhere.url);
    if (status !== "7") throw new Error(`the service itself answered ${status}, not PERMISSION_DENIED`);
    if ((await forged(home.url)) === "7") throw new Error("an allowed origin was refused");
  }]);
  failed = await run(checks);
} finally {
  await browser?.close();
  await server.close();
  home.site.close();
  elsewhere.site.close();
}
process.exit(failed === 0 ? 0 : 1);
