// Runs parts of a proof one after another and adds their counts up.
import { spawnSync } from 'node:child_process';

/** Two counts at the end of what a part prints: "N passed, N failed" or "N of M cases passed". */
function countsOf(said) {
  const ours = [...said.matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1);
  if (ours !== undefined) return { passed: Number(ours[1]), failed: Number(ours[2]) };
  const cases = [...said.matchAll(/^(\d+) of (\d+) cases passed/gm)].at(-1);
  return cases === undefined ? null : { passed: Number(cases[1]), failed: Number(cases[2]) - Number(cases[1]) };
}

/** What a sanitizer, valgrind or an emulator says when something is wrong, whatever the exit code. */
const alarm = /(Sanitizer:|runtime error:|WARNING: ThreadSanitizer|ERROR SUMMARY: [1-9]|uncaught target signal)/;

export class Tally {
  passed = 0;
  failed = 0;

  /** Runs a command and counts; a command that ends badly, or of which an alarm is heard, has at least one failure. */
  run(name, command, args, options = {}) {
    const began = Date.now();
    const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28, timeout: 1_800_000, ...options });
    const said = `${done.stdout ?? ''}\n${done.stderr ?? ''}`;
    const counts = countsOf(said) ?? { passed: 0, failed: 0 };
    const bad = done.error !== undefined || done.status !== 0 || alarm.test(said);
    if (bad && counts.failed === 0) counts.failed = 1;
    if (!bad && counts.passed === 0) counts.failed = 1; // nothing ran: nothing was shown
    this.passed += counts.passed;
    this.failed += counts.failed;
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    console.log(`${counts.failed === 0 ? 'ok    ' : 'FAILED'} ${name}: ${counts.passed} passed, ${counts.failed} failed (${seconds} s)`);
    if (counts.failed > 0) console.log(done.error?.message ?? said.slice(-6000));
  }

  /** One check of the proof itself. */
  check(name, good, detail) {
    if (good) this.passed++;
    else this.failed++;
    console.log(`${good ? 'ok    ' : 'FAILED'} ${name}${good ? '' : `: ${detail}`}`);
  }

  /** The last line, and the exit code. */
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed === 0 && this.passed > 0 ? 0 : 1;
  }
}
