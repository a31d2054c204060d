// Checks with a name each: run in order, one line per check.

import { performance } from "node:perf_hooks";

/** Runs each [name, check] and answers how many failed. */
export async function run(checks) {
  let failed = 0;
  for (const [name, check] of checks) {
    const began = performance.now();
    let outcome = "ok";
    try {
      await within(30_000, check());
    } catch (error) {
      outcome = "FAILED";
      failed += 1;
      console.error(error);
    }
    console.log(`${outcome.padEnd(7)} ${((performance.now() - began) / 1000).toFixed(2).padStart(5)} s  ${name}`);
  }
  console.log(`\n${checks.length - failed} passed, ${failed} failed`);
  return failed;
}

/** The error that a call ends with. */
export async function errorOf(call) {
  try {
    const answer = await call;
    throw new Error(`expected an error, got ${JSON.stringify(answer)}`);
  } catch (error) {
    if (error.code === undefined) throw error;
    return error;
  }
}

export async function eventually(what, condition, patience = 15_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await pause(20);
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
