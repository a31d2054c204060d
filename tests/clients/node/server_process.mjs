// A private `handoff serve`: free port, temporary data, ended by its pid.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));

export class ServerProcess {
  constructor(flags = []) {
    this.binary = process.argv[2] ?? join(REPOSITORY, "target/release/handoff");
    if (!existsSync(this.binary)) throw new Error(`no server at ${this.binary}; build it with cargo build --release`);
    this.folder = mkdtempSync(join(tmpdir(), "handoff-node-"));
    this.address = "127.0.0.1:0";
    this.flags = flags;
    // Whatever way this process ends, an error that nobody caught included.
    process.on("exit", () => {
      this.process?.kill("SIGKILL");
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  /** Starts it, at the address it had before if it had one, and waits until it says that it listens. */
  async start() {
    const data = join(this.folder, "data");
    const flags = ["serve", "--grpc-addr", this.address, "--data-dir", data, ...this.flags];
    this.process = spawn(this.binary, flags, { stdio: ["ignore", "pipe", "pipe"] });
    this.process.stderr.pipe(createWriteStream(join(this.folder, "server.log"), { flags: "a" }));
    this.ended = once(this.process, "exit");
    let printed = "";
    const ready = new Promise((resolve, reject) => {
      this.process.stdout.on("data", (text) => {
        printed += text;
        const found = /grpc (\S+:\d+)\n/.exec(printed);
        if (found) resolve(found[1]);
      });
      this.ended.then(() => reject(new Error(`the server ended before it was ready; see ${this.folder}`)));
    });
    this.address = await ready;
  }

  /** SIGKILL, as a crash would. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** SIGTERM. */
  async stop() {
    await this.#end("SIGTERM");
  }

  async close() {
    if (this.process) await this.kill();
  }

  async #end(signal) {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
    await this.ended;
  }
}
